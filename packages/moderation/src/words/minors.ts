import type { WordList } from './list.ts';

/** The sexual abuse of children by its own names. */
export const abuse: WordList = {
  en: `loli|lolis|lolicon*|shota|shotas|shotacon*|toddlercon*|child porn*|childporn*|kiddie porn*|kiddy porn*|kid porn*|teen porn*|jailbait|jail bait|
    pedophil*|paedophil*|pedobear|pthc|preteen hardcore|cunny|csam|child sex*|child erotic*|underage sex*|underage nude*|nambla|barely legal`,
  de: `kinderporn*|nacktes kind|kinderficker|pädophil*`,
  fr: `pédoporn*|pédophil*`,
  es: `pornografía infantil|pederast*|pedofil*`,
  it: `pedoporn*`,
  ru: `педофил*|детское порно|детская порнография|детского порно`,
  tr: `çocuk pornosu`,
  ar: `إباحية الأطفال|اباحية اطفال`,
  zh: `儿童色情|兒童色情|恋童|戀童|幼女裸|幼交`,
  ja: `児童ポルノ|幼児性愛|ロリコン|ロリ巨乳|合法ロリ|ショタコン`,
  ko: `아동포르노|아동 포르노|아동음란물|로리콘|쇼타콘`,
};

/** Children and those not yet grown up; `age` finds them by their years. */
export const minors: WordList = {
  en: `child|children|childs|childlike|kid|kids|toddler*|infant|infants|baby|babies|newborn*|preteen*|pre teen*|tween|tweens|underage*|schoolgirl*|
    schoolboy*|school girl*|school boy*|little girl*|little boy*|young girl*|young boy*|small girl*|small boy*|teen|teens|teenage*|adolescent*|
    kindergarten*|preschool*|elementary school*|middle school*|high school*|highschool*|prepubescent|pubescent|lolita|lolitas|minors`,
  de: `kinder|kindern|kindes|kindlich*|kleinkind*|säugling*|kleines mädchen|junge mädchen|junges mädchen|kleiner junge|minderjährig*|schülerin*|
    schulmädchen*|grundschul*`,
  fr: `enfant|enfants|fillette*|gamine*|bébé|bébés|mineure|mineures|petite fille*|petit garçon*|écolière*|collégienne*`,
  es: `niña*|niño*|menor de edad|menores de edad|colegiala*`,
  it: `bambina|bambine|bambino|bambini|minorenn*|ragazzina|ragazzine|neonat*|scolaretta`,
  pt: `criança*|menina|meninas|menino|meninos|garotinha*|menor de idade|bebê|bebês`,
  nl: `kinderen|kindje*|klein meisje|jong meisje|jonge meisjes|kleuter*|peuter*|schoolmeisje*|minderjarig*|tiener*`,
  pl: `dziecko|dzieci|dziecka|dziewczynk*|chłopczyk*|nieletni*|niemowl*|nastolatk*|uczennic*`,
  cs: `dítě|děti|holčičk*|nezletil*|školačk*`,
  sv: `barnet|børn|liten flicka|lille pige|liten jente|minderårig*|mindreårig*|spädbarn|tonåring*`,
  fi: `lapsi|lapset|lapsia|vauva|alaikäi*|pikkutyttö*|pikkupoika|teini*`,
  hu: `gyerek*|kislány*|kisfiú*|kiskorú*`,
  ro: `copil|copii|copilul|fetiță|fetițe`,
  el: `παιδί|παιδιά|κοριτσάκι*|αγοράκι|μωρό|ανήλικ*|έφηβ*`,
  ru: `ребенок|ребенка|дети|детей|детск*|девочк*|мальчик*|несовершеннолетн*|малолет*|школьниц*|школьник*|подросток|подростк*|младен*|малыш*|
    дитина|діти|дівчинк*|хлопчик*|неповнолітн*`,
  tr: `çocuk*|küçük kız*|reşit olmayan*|bebek|bebekler|liseli*`,
  ar: `طفل*|الطفل*|أطفال|الأطفال|قاصر*|رضيع|مراهق*|بنت صغيرة|فتاة صغيرة`,
  fa: `کودک*|بچه|دختربچه|نوجوان*|خردسال*|دختر کوچک`,
  he: `ילד|ילדה|ילדים|ילדות|קטינה|קטין|תינוק*`,
  hi: `बच्चा|बच्ची|बच्चे|बच्चों|नाबालिग*|छोटी लड़की`,
  bn: `শিশু*|বাচ্চা`,
  zh: `儿童|兒童|孩子|小孩|女童|男童|幼女|幼童|未成年|小女孩|小男孩|婴儿|嬰兒|小学生|小學生|中学生|中學生|初中生|高中生|萝莉|蘿莉|正太|少女`,
  ja: `子供|子ども|幼児|女児|男児|赤ちゃん|赤ん坊|女子高生|男子高生|高校生|少年|園児|ロリっ子`,
  ko: `어린이|아동|유아|미성년*|소녀|소년|여고생|여중생|초등학생|중학생|고등학생|아기|아이들|어린아이|여자아이|남자아이`,
  th: `เด็ก|ทารก|นักเรียน|ผู้เยาว์`,
  vi: `trẻ em|bé gái|bé trai|trẻ con|vị thành niên|nữ sinh`,
  id: `anak kecil|anak perempuan|anak laki|anak anak|di bawah umur|bayi|balita|siswi`,
};

/** In a negative prompt, where leaving them out is what is wished for. */
export const unwantedClothes =
  /(?:^|[,;(\n])\s*\(*(?:clothes|clothing|clothed|fully clothed|dressed|dress|underwear|bra|bikini|swimsuit|swimwear|panties|shirt|pants)\s*(?::[\d.]+)?\)*\s*(?=$|[,;)\n])/;
export const unwantedAge =
  /(?:^|[,;(\n])\s*\(*(?:adult|adults|grown up|grown-up|grownup|18\+|of age|legal age)\s*(?::[\d.]+)?\)*\s*(?=$|[,;)\n])/;

/** Under eighteen years, in words that several languages write after or before the number. */
const years = '(?:1[0-7]|[1-9])';
export const age = new RegExp(
  [
    `(?<![\\d.])${years}\\s*-?\\s*(?:y\\/?o|y\\.o\\.?)(?![\\p{L}\\d])`,
    `(?<![\\d.])${years}\\s*-?\\s*(?:years?|yrs?)[\\s-]*old(?!\\s+(?:\\S+\\s+)?(?:whisk|scotch|bourbon|rum|wine|brand|company|tree|oak|shop))`,
    `(?<!\\p{L})(?:aged?|age of)\\s+${years}(?![\\d\\p{L}.])`,
    `(?<![\\d.])${years}\\s*(?:歳|才|岁|歲|살|세 소|ขวบ|лет(?!\\p{L})|jahre alt|jährige|tahun|yaşında|साल की|साल का|سنوات|ساله)`,
    `(?:de|di|con)\\s+${years}\\s+(?:ans|años|anni|anos)(?!\\p{L})`,
  ].join('|'),
  'u',
);
