import type { Words } from './list.ts';

/** Slurs, and the signs and calls of those who hate. */
export const hate: Words = {
  certain: {
    en: `nigger*|nigga|niggas|sandnigger*|kike|kikes|dirty spic|spics out|spic bastard*|gook|gooks|wetback*|faggot*|paki|pakis|raghead*|towelhead*|darkie|darkies|jigaboo*|
      porch monkey*|heil hitler|sieg heil|white pride|white supremac*|gas the jews|kill all jews|kill the jews|kill jews|death to jews|
      death to all jews|death to muslims|kill all muslims|kill muslims|kill all blacks|kill black people|kill all gays|death to gays|
      hang all gays|ku klux klan|nazi salute|hitler salute|nazi propaganda|untermensch*|race war|lynching|blackface|jews will not replace us|
      dirty jew*|filthy jew*|dirty muslim*|filthy muslim*|subhuman jew*|subhuman black*|jew rat*|tranny freak*|hook nosed jew*|1488`,
    de: `neger*|kanake*|judensau|schwuchtel*|ausländer raus|schlitzauge*|juden ins gas|vergast die juden|judenschwein*|hitlergruß`,
    fr: `bougnoul*|youpin*|sale juif|sale arabe|sales arabes|sales juifs|gouine*|mort aux juifs|mort aux arabes`,
    es: `maricon*|sudaca*|moro de mierda|negro de mierda|judío de mierda|muerte a los judíos`,
    it: `negro di merda|sporco negro|sporca negra|frocio|froci|sporco ebreo|ebrei ai forni`,
    pt: `preto de merda|macaco preto|morte aos judeus`,
    nl: `kankerturk*|kankermarokka*|kankerjood|kutmarokka*|kankerjoden`,
    pl: `czarnuch*|ciapaty|ciapaci|żydzi do gazu|jebać żydów`,
    ru: `жид|жиды|жидов*|жидам|хачи|чурка|чурки|чурок|ниггер*|пидор*|пидар*|педик*|черножоп*|зиг хайль|хайль гитлер|бей жидов|смерть евреям`,
    tr: `ermeni dölü|yahudi köpe*|ibne|ibneler`,
    ar: `الموت لليهود|خنازير اليهود|اليهود الخنازير`,
    fa: `مرگ بر یهود*`,
    he: `מוות לערבים`,
    hi: `कटुआ|कटुए|katua|katue`,
    zh: `黑鬼|支那人|支那猪|高丽棒子|绿教|死基佬|尼哥|杀光犹太人|杀光黑人|希特勒万岁`,
    ja: `チャンコロ|ニガー|穢多|ハイルヒトラー|朝鮮人を殺せ|ユダヤ人を殺せ|支那人`,
    ko: `짱깨|쪽바리|쪽발이|깜둥이|똥남아|조센징|하일 히틀러`,
    th: `ไอ้มืด`,
    id: `cina babi|bunuh semua cina`,
  },
  likely: {
    en: `nazi|nazis|neonazi*|neo nazi*|swastika*|hitler|kkk|chink|chinks|coon|coons|fag|fags|tranny|white power|ethnic cleansing|subhuman|
      third reich|waffen ss|antisemit*|hate speech`,
    de: `hakenkreuz*|nazis|rassist*`,
    es: `esvástica*`,
    fr: `croix gammée|pédé`,
    nl: `flikker|flikkers|zwarte piet`,
    ru: `свастик*|нацист*|гитлер*|хохол|хохлы|москал*`,
    zh: `纳粹|納粹|希特勒|小日本|阿三`,
    ja: `ナチス|ヒトラー|土人`,
    ko: `나치|히틀러`,
    ar: `صليب معقوف|هتلر|زنجي`,
  },
};
