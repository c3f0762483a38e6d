import type { WordList, Words } from './list.ts';

/** Sexual acts, pornography and nudity. Partly chosen from the lists of LDNOOBW (github.com/LDNOOBW, CC-BY-4.0), as are those beside it. */
export const sexual: Words = {
  certain: {
    en: `porn|porno*|pornhub|pornstar*|porn star*|*porn|pr0n|hentai*|nsfw|pussy|pussies|cunt*|penis|penises|vagina*|vulva*|clit|clits|clitoris|blowjob*|blow job*|handjob*|
      hand job*|rimjob*|footjob*|deepthroat*|cumshot*|cumming|cumslut*|cum slut*|creampie*|bukkake|gangbang*|gang bang*|orgy|orgies|masturb*|fellatio|
      cunnilingus|anilingus|orgasm*|erotic*|topless|boobs|boobies|tits|titties|titty|nipples|areola|areolas|areolae|genital*|pubic|upskirt*|
      spread legs|legs spread|spreading her legs|spreading legs|dildo*|butt plug*|buttplug*|bdsm|bondage|ball gag*|dominatrix|milf|milfs|slutty|sluttish*|sluts|a slut|dirty slut|little slut|slut wife|slut girl|
      whore*|fuck*|*fuck*|phuck*|fuk|fuq|wank|wanker*|wanking|jizz|semen|ejacul*|ahegao|futanari|yiff*|bestiality|beastiality|zoophil*|incest*|
      rape|raped|raping|rapist*|onlyfans|lap dance*|camgirl*|sex tape*|sextape*|sexting|horny|rule 34|rule34|oppai|paizuri|nudify*|deepnude|
      wearing nothing|in the nude|stark naked|butt naked|big breasts|huge breasts|large breasts|bare breasts|exposed breasts|naked breasts|
      dicks out|his dick|my dick|erect dick|suck dick|sucking dick|rated xxx|xxx rated|xxx movie*|thong bikini|in a thong|wearing a thong|thong panties|anal sex|oral sex|group sex|having sex|sex scene|sex act*|xvideos|xhamster|redtube|brazzers|seggs|secks|doggystyle|doggy style|
      cock sucking|sucking cock|suck my dick|big cock|hard cock|huge cock|big dick|hard dick|huge dick|dick pic*|golden shower*|fisting|shibari|
      sodomi*|schlong|twat|twats|motherf*|threesome*|cameltoe|bare naked|xxx porn|xxx video*|nude pic*|nude photo*|nude selfie*|nudes`,
    de: `ficken|fickt|fick|gefickt|ficker|fotze*|titten|nutte|nutten|hure|huren|hurensohn|schlampe*|splitternackt*|nacktbild*|nacktfoto*|
      wichsen|wichser|wichsend*|schwanzlutsch*|arschfick*|bumsen|geschlechtsverkehr|erotik*|erotisch*|vergewaltig*|schamlippen|pimmel|
      nackte brüste`,
    fr: `femme nue|femmes nues|fille nue|filles nues|homme nu|hommes nus|corps nu|corps nus|toute nue|tout nu|seins nus|nichons|couilles|branler|
      branlette*|encule*|salope|salopes|salopard*|sale pute|putains|putain de|fellation*|sodomie|partouze*|érotique*|vagin|nique ta*`,
    es: `follarse|follarme|follarte|follando|follada*|coño|tetas|hijo de puta|puta madre|una puta|putas|mamada*|pezón|pezones|sexo oral|sexo anal|chupapollas|orgía*|tener sexo|teniendo sexo|
      hijoputa`,
    it: `scopata|cazzo|cazzi|tette|puttana*|pompino|pompini|sborra*|chiavare|inculare|capezzoli|stupro|stuprare|stuprata|seno nudo`,
    pt: `mulher nua|mulheres nuas|garota nua|garotas nuas|moça nua|homem nu|corpo nu|toda nua|completamente nua|menina nua|foder|fodendo|fodida*|buceta*|boceta*|caralho|punheta*|estupr*|boquete*|siririca`,
    nl: `neuken|neukt|geneukt|tieten|hoer|hoeren|sletten|sletje|verkracht*|klaarkomen|naaktfoto*`,
    pl: `kurwa|kurwy|cipa|cipka|cipki|chuj*|ruchać|ruchanie|jebać|jebanie|jebany|cycki|dziwka|dziwki|kutas*|pizda|obciąga*|gwałt*|naga kobieta|
      nagie kobiety|nagą kobietę|naga dziewczyna|nagie dziewczyny|nagie piersi|nagie zdjęci*`,
    cs: `nahá žena|nahé ženy|nahá dívka|mrdat|mrdka`,
    sv: `knulla*|knullar|knull|fitta|våldta*|porr|porrfilm*|porrbild*|fisse|kneppe*`,
    fi: `vittu*|pillu*|kyrpä*|nussi*|huora*|tissit|tissejä`,
    hu: `punci|puncik|fasz*|baszni|baszás`,
    ro: `futut*`,
    el: `μουνί|πούτσα|πούτσος|γαμήσι*|γαμάω|πουτάνα*|πορνό*`,
    ru: `порн*|хуй|хуи|хуя|хуев*|пизд*|ебать|ебут|ебал*|выеб*|трахать|трахает*|трахают*|шлюх*|сиськ*|минет*|дроч*|сперм*|эротик*|эротич*|
      изнасил*|бляд*|блять|вагин*|порево|зґвалт*`,
    tr: `siktir*|yarrak*|yarak|amcık*|orospu*|tecavüz*|götveren*|çırılçıplak|kaltak`,
    ar: `سكس|إباحي*|ممارسة الجنس|جنس فموي|طيز|شرموط*|قحبة|اغتصاب|عاهرة|عاهرات|بورنو|مهبل`,
    fa: `سکس*|پورن*|جنده|تجاوز جنسی`,
    he: `פורנו|זונה|זונות|לזיין|זיון|ציצים|אונס`,
    hi: `चूत|लंड|चुदाई|चोद*|पोर्न*|अश्लील|बलात्कार|chudai|choot|chutiya|chodna|gaand|bhosad*|bhosdi*|madarchod|behenchod|bhenchod|nangi ladki|
      nangi aurat`,
    bn: `চোদা*|পর্ন*|ধর্ষণ`,
    zh: `裸体|裸體|全裸|裸女|裸照|露点|露點|一丝不挂|一絲不掛|脱光|脫光|扒光|色情|情色|做爱|做愛|性爱|性愛|性交|口交|肛交|乳交|轮奸|輪姦|强奸|強姦|
      强暴|自慰|手淫|射精|阴茎|陰莖|阴道|陰道|阴部|陰部|阴唇|陰唇|阴毛|陰毛|鸡巴|雞巴|肉棒|巨乳|爆乳|乳头|乳頭|奶子|婊子|妓女|卖淫|賣淫|嫖娼|淫荡|淫蕩|
      淫乱|淫亂|淫秽|淫水|操你|肏|成人电影|成人影片|黄片|黃片|三级片|三級片|AV女优|AV女優|不穿衣服|没穿衣服|沒穿衣服`,
    ja: `裸の女|ハメ撮り|エロい|エロ画像|エロ動画|エロ漫画|エロアニメ|どエロ|セックス|オナニー|フェラチオ|手コキ|パイズリ|中出し|潮吹き女|まんこ|ちんこ|ちんぽ|
      おっぱい|乳首|膣|性器|レイプ|痴漢|援交|援助交際|淫乱|乱交|パンチラ|アダルトビデオ|ふたなり|アヘ顔|緊縛|獣姦|近親相姦|服を着ていない`,
    ko: `섹스|야동|포르노|강간|알몸|나체|벌거벗은|유두|젖꼭지|가슴 노출|음란|음부|성기|성교|자위|오르가즘|창녀|매춘|씨발|씹|좆|딸딸이|근친|윤간`,
    th: `โป๊|เย็ด|ควย|ร่วมเพศ|ข่มขืน|ลามก|อนาจาร|เซ็กส์|ไม่ใส่เสื้อผ้า|แก้ผ้า`,
    vi: `khiêu dâm|hiếp dâm|cưỡng hiếp|thủ dâm|làm tình|không mặc quần áo|dâm đãng|phim sex`,
    id: `bugil|ngentot|kontol|memek|bokep|perkosa*|pemerkosa*|diperkosa|pelacur`,
    fil: `kantot*|pekpek|putang ina`,
    emoji: `🔞`,
  },
  likely: {
    en: `sex|sexual|sexually|nude|nudity|naked|unclothed|undress*|breasts|boob|nipple|anal|cock|cocks|dicks|cum|intercourse|sodomy|
      vibrator*|fetish*|stripper*|striptease|strip club*|hooker*|prostitut*|playboy|lewd|ecchi|busty|wet t shirt|without clothes|
      without any clothes|no clothes|clothes off|camel toe|crotch|butthole|asshole|cleavage shot|kink|voyeur*|swinger*|lust|lustful`,
    de: `nackt|nackte|nackter|nackten|nacktes|nacktheit|brüste|sexuell*|oben ohne|unbekleidet*|muschi|ohne kleidung`,
    fr: `nue|nues|seins|nudité|déshabill*|levrette|sans vêtements|sexe`,
    es: `desnud*|semidesnud*|culo|senos|pechos|sexo|verga|pene|sin ropa`,
    it: `nuda|nudo|nudi|sesso|senza vestiti`,
    pt: `pelada|peladas|peitos|transando|sem roupa`,
    nl: `naakt|naakte|seks|borsten|zonder kleren|kut`,
    pl: `seks|rozebrana|bez ubrania`,
    sv: `naken|nakna|nøgen|nøgne|kuk`,
    fi: `alaston|alasti|alastom*|seksi*`,
    hu: `meztelen*|szex*`,
    ro: `goală|goale|dezbrăcat*`,
    el: `γυμνή|γυμνός|γυμνό|γυμνές|σεξ`,
    ru: `голая|голые|голый|голой|голую|голым|голых|голышом|обнажен*|раздетая|раздетые|раздетой|секс*|жопа|проститут*|без одежды|соски|сосок|
      оголен*|роздягнен*`,
    tr: `çıplak|seks*|soyunmuş`,
    ar: `عارية|عاريات|عاري|عراة|نهود|بدون ملابس`,
    fa: `برهنه|لخت|بدون لباس`,
    he: `עירום|עירומה|ערום|ערומה|סקס`,
    hi: `नंगी|नंगा|नंगे|नग्न|सेक्स*`,
    bn: `উলঙ্গ|নগ্ন|যৌন*`,
    ta: `நிர்வாண*`,
    zh: `半裸|赤裸|裸露|露出乳房|乳房裸露|春宫|春宮|情趣内衣|情趣內衣`,
    ja: `ヌード|裸の|調教|変態|春画|勃起`,
    ko: `누드|야한|옷을 벗은|노출`,
    th: `เปลือย`,
    vi: `khỏa thân|lõa thể|ngực trần`,
    id: `telanjang|seks|tanpa busana|tanpa pakaian`,
    fil: `hubad`,
  },
  faint: {
    en: `sexy|lingerie|seductive*|sensual*|cleavage|voluptuous|see through|provocative|kinky|skimpy`,
    de: `sexy|dessous|geil|geile|aufreizend*|busen`,
    es: `lencería|sensual*|seductor*`,
    fr: `aguich*|sensuel*`,
    pt: `gostosa*`,
    ru: `сексуальн*|интим*|соблазн*`,
    ar: `مثيرة`,
    zh: `性感|高潮|诱惑|誘惑`,
    ja: `セクシー`,
    ko: `섹시*`,
    th: `เซ็กซี่`,
    id: `seksi`,
  },
  veiled: { en: `slut|dick|pute|puta|anus` },
};

/** Said of someone, a likely word is certain: `nude` may be a lipstick, `nude woman` is none. */
export const people: WordList = {
  en: `woman|women|girl|girls|girlfriend*|man|men|boy|boys|guy|guys|lady|ladies|wife|husband|female|females|male|males|model|models|actress*|
    celebrity|celebrities|couple|person|people|body|bodies|nurse|teacher|selfie|portrait|posing|princess|queen|waifu|babe|babes|chick|chicks`,
  de: `frau|frauen|mann|männer|mädchen`,
  fr: `femme|femmes|homme|hommes|fille|filles|corps`,
  es: `mujer*|chica|chicas|hombre|hombres|muchacha*|cuerpo`,
  it: `donna|donne|ragazza|ragazze|uomo|uomini|modella`,
  pt: `mulher*|garota*|homem|homens|moça*`,
  nl: `vrouw|vrouwen|meisje|meisjes|mannen`,
  pl: `kobieta|kobiety|kobietę|kobiet|dziewczyna|dziewczyny|mężczyzn*`,
  sv: `kvinna|kvinnor|kvinde*|kvinne*|tjej*|flicka|flickor|pige|piger|jente|jenter`,
  fi: `nainen|naiset|naisia|tyttö|tytöt|mies|miehet`,
  hu: `lány|lányok|férfi|nők`,
  ro: `femeie|femei|fată|bărbat`,
  el: `γυναίκα|γυναίκες|κορίτσι|κορίτσια|κοπέλα|άνδρας`,
  ru: `женщин*|девушк*|мужчин*|парень|парни|тёлк*|жінк*|дівчин*|чоловік*`,
  tr: `kadın*|kız|kızlar|erkek`,
  ar: `امرأة|نساء|فتاة|فتيات|بنت|بنات|رجل|رجال|المرأة|النساء`,
  fa: `زن|زنان|زنی|دختر|دختران|دختری|مرد|مردان`,
  he: `אישה|נשים|בחורה|גבר`,
  hi: `औरत*|महिला*|लड़की|लड़कियाँ|लड़कियां|स्त्री|पुरुष|आदमी`,
  bn: `মহিলা|মেয়ে|নারী`,
  ta: `பெண்`,
  zh: `女人|女孩|女生|女性|女子|美女|女郎|女士|姑娘|男人|男孩|男性|人体|人體|模特`,
  ja: `女性|女の子|女|男性|人妻|モデル`,
  ko: `여자|여성|여인|남자|남성|몸|모델`,
  th: `ผู้หญิง|ผู้ชาย|สาว|หญิง|นางแบบ`,
  vi: `phụ nữ|cô gái|đàn ông|con gái`,
  id: `wanita|perempuan|gadis|pria|cewek|cowok`,
  fil: `babae|lalaki`,
};
