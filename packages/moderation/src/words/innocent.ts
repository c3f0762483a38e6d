import type { WordList } from './list.ts';

const nudeThings = `lip|lips|lipstick*|lip gloss|gloss|color*|colour*|shade*|tone|tones|toned|palette*|pink|beige|brown|peach|rose|heel|heels|pump|pumps|nail|nails|
  polish|makeup|make up|eyeshadow*|eye shadow*|blush|foundation|bra|bras|dress|dresses|shoe|shoes|sandal*|bodysuit*|tights|stockings|stiletto*|leather|
  matte|collection|manicure|bag|handbag*|undertone*|slip|heeled|suede|mesh|and cream|and black|and white|blazer|leggings|illusion`;
const nakedThings = `mole rat*|eye|eyes|cake|cakes|truth|juice*|bike*|ape|neck|oats|gun|chef|palette*|flame*|light bulb*|bulb*|lunch|wine*|burger*|burrito*|wire*|
  lady lilies|boys flower*|raku|clay|wood|brick*|trees|branches|sneaker*|nutrition|ambition|cat|cats|short|call|stage|barley|turtle|snail`;
const pairs = (first: string, seconds: string) =>
  seconds
    .split('|')
    .map((second) => `${first} ${second.trim()}`)
    .join('|');

/** Phrases in which words of the other lists mean nothing bad. What lies wholly within one of them does not count. */
export const innocent: WordList = {
  en: `${pairs('nude', nudeThings)}|nude colou|nudes palette|in nude|mauve nude|pink nude|rosy nude|glossy nude|warm nude|${pairs('naked', nakedThings)}|
    pussy willow*|pussy cat*|pussy riot|pussy bow|pussy in boots|puss in boots|blue tits|great tits|coal tits|marsh tits|willow tits|crested tits|
    long tailed tits|tits and finches|blue tit|bottle nipple*|baby bottle nipple*|grease nipple*|pipe nipple*|brass nipple*|hex nipple*|steel nipple*|
    nipple cream|nipple shield*|nipple fitting*|nipple connector*|nipple pipe|spoke nipple*|nipples for bottle*|silicone nipple*|threaded nipple*|
    chicken breasts|turkey breasts|duck breasts|grilled breasts|roasted breasts|cock a doodle*|cock and bull|cock and hen*|game cock|cock feather*|
    peacock|dick van dyke|moby dick|dick tracy|philip k dick|andy dick|spotted dick|dick whittington|dick turpin|cum laude|anal fin|anal fins|
    anal retentive|sex and the city|same sex|opposite sex|sex education|sex determination|battle of the sexes|fair sex|sex pistols|orgy of colo*|
    horny toad*|horny lizard*|horny goat*|oilseed rape|rape seed*|rape oil|rape flower*|rape field*|rape blossom*|wire stripper*|paint stripper*|
    cable stripper*|varnish stripper*|wallpaper stripper*|sausage fest|blow job of the wind|boob tube|booby trap|strip club sandwich|
    gore tex|al gore|lesley gore|gore tex jacket|bloody mary*|bloody moon|blood moon*|blood orange*|blood pressure|blood donat*|blood type|
    blood test*|blood sugar|blood drive|blood bank|blood red|murder mystery|murder of crows|torture test*|execution of the plan|flawless execution|
    execution plan|code execution|trade execution|dead body of work|corpse flower*|corpse plant*|corpse bride|corpse paint|massacre of the innocents|
    boston massacre|suicide squad|suicide door*|suicide prevent*|prevent suicide|suicide awareness|suicide hotline|suicide lane|
    spic and span|spic n span|chink in the armo*|chink of light|chinks of light|maine coon*|coon cat*|coonhound*|fag end|white power bank*|
    white power ranger*|white power cord*|white power supply|white power adapter*|white power station|white power button|white power tool*|
    white power wash*|transmission tranny|swastika temple|soup nazi|grammar nazi|buddhist swastika|hindu swastika|sanskrit swastika|
    baby blue|baby pink|baby tee|baby tees|babydoll*|baby doll*|baby shower*|baby s breath|baby bump|baby grand|baby spinach|baby carrot*|baby corn|
    baby oil|baby hair*|kid leather|kid gloves|kid suede|kid mohair|kid goat*|kids menu|child proof|childproof|my child free|child free|
    lolita fashion|sweet lolita|gothic lolita|classic lolita|lolita dress*|lolita style|lolita shoes|loli pop*|cut wrist strap|
    wet nurse|wanking lake|vagina monologues|fetish finger|kinky hair|kinky curl*|kinky straight|afro kinky|kinky twist*|strap on sandal*|
    high school reunion|teen vogue|young girl band|see through packag*|see through lid*|see through window*|see through glass|thong sandal*|
    flip flop thong*|thong slipper*|bondage free|dick smith|dick s sporting|dick clark|hitler studies|anti nazi|nazi hunter*|body of water|
    without clothes peg*|no clothes dryer|no clothes iron|butt plug socket|teenage mutant ninja*|baby bella|emotional overdose|
    noose knot tutorial|cowboy lasso noose|horror of war memorial|erotica font|nude mouse|nude mice|blank model|self made`,
  de: `nackte wahrheit|nackte wand|nackter beton|nackte tatsach*|nackte füße|nackten füßen|mit nacktem auge|nackten auge|nacktschneck*|kinky locken|hühnerbrüste|
    nacktes auge`,
  fr: `pieds nus|nue propriété|œil nu|oeil nu|mains nues|tête nue|épée nue|à mains nues`,
  es: `pies desnudos|árbol desnudo|árboles desnudos|a ojo desnudo|ojo desnudo|hombros desnudos|labial desnudo|tono desnudo|culo de botella`,
  it: `occhio nudo|piedi nudi|a mani nude|nuda proprietà|nudo e crudo|nuda terra|roccia nuda`,
  pt: `olho nu|mão pelada|jogo de pelada|pelada de futebol|futebol pelada|rocha nua|lua nua|sexo feminino|sexo masculino`,
  nl: `naakte waarheid|blote en naakte voeten|naaktslak*`,
  ru: `голые деревья|голые ветки|голых деревьев|голый бетон|голые стены|голый землекоп|голые ноги|голыми руками|голая стена|гитлер капут`,
  tr: `çıplak ayak*|çıplak göz*|çıplak ağaç*|çıplak beton|çıplak duvar*`,
  ar: `عاري القدمين|عارية القدمين`,
  hi: `नंगे पैर|नंगे पाँव|नंगे पांव|नंगी आंखों|नंगी आँखों`,
  zh: `女性爱|男性爱|个性爱|同性爱|异性爱|理性爱|母性爱|做爱心|做爱吃|做爱好|性交流|性交互|性交往|性交通|性交友|口交通|口交易|口交流|口交汇|口交叉|口交接|口交替|强暴雨|强暴风|
    聊以自慰|跳楼价|跳樓價|跳楼大|跳楼机|跳樓機|赤裸裸的真|血腥玛丽|少女心|少女风|少女粉|美少女战士|少女时代|孩子气|裸露的岩|裸露的砖|裸露的墙|裸露的混凝土|裸露的灯|
    上吊灯|上吊扇|上吊顶|上吊牌|上吊坠|上吊带|上吊椅|上吊床|正太阳|朱纳粹|高潮迭起|不自残|性感染`,
  ja: `カチンコ|パチンコ|ヌードル|ヌードカラー|ヌードベージュ|ヌードピンク|ヌードリップ|ユニセックス|エセックス|サセックス|ミドルセックス|ロマンコメ|裸の木|裸の電球|裸の王様|裸の枝|裸の島|自害虫|
    生首飾|美少年漫画展|変態仮面|グレイプ|スニガー|ビニガー|乳首のない|鬼少年`,
  ko: `유니섹스|자위대|자위권|누드톤|누드 톤|누드립|누드 립|누드컬러|누드 컬러|누드베이지|누드 베이지|누드 브라|누드 핑크|노출 콘크리트|노출 벽돌|노출 콘크|장기 노출|장노출|
    자외선 노출|다중 노출|이중 노출|노출 보정|노출천장|노출 천장|노출 조명|빛 노출|참수리|몸매 보정|아기자기|아이들러|씹는|씹어`,
  th: `เท้าเปลือย|ตาเปล่าเปลือย|ไม้เปลือย|ปูนเปลือย|เปลือยปูน|อิฐเปลือย|สีเปลือย`,
  vi: `chân trần`,
  id: `kaki telanjang|mata telanjang`,
};
