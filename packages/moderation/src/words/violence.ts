import type { Words } from './list.ts';

/** Gore, cruelty and killings; not the blood of a Halloween costume. */
export const violence: Words = {
  certain: {
    en: `behead*|decapitat*|disembowel*|dismember*|eviscerat*|mutilat*|goresex|guro|snuff film*|snuff movie*|snuff video*|severed head*|severed limb*|
      severed arm*|severed leg*|severed hand*|heads cut off|head cut off|head chopped off|slit throat*|throat slit|slitting throat*|slitting his throat|
      mass shooting*|school shooting*|shoot up a school|shooting up a school|execution video*|how to kill*|how to murder*|stabbed to death|
      stabbing a person|stabbing someone|stabbing him|stabbing her|skinned alive|burned alive|burnt alive|burning alive|brains blown|
      blowing his brains|brains splatter*|make a bomb|making a bomb|pipe bomb*|terrorist attack*|suicide bomb*|animal cruelty|kill a puppy|
      kill puppies|killing puppies|torture animals|torturing animals|torturing a cat|torturing a dog|flayed|guts spill*|guts hanging out|
      intestines spill*|spilling intestines|exposed intestines|entrails|beaten to death|bludgeon*|gruesome murder|bloody corpse*|mangled corpse*|
      mangled bod*|pile of corpses|pile of bodies|gouged eyes|gouging eyes|eyes gouged`,
    de: `enthaupt*|geköpft*|verstümmel*|zerstückel*|ausgeweidet*|abgetrennter kopf|abgetrennte köpfe|abgetrennten kopf|amoklauf*|lebendig verbrannt*|
      durchgeschnittene kehle`,
    fr: `décapité|décapitée|décapités|décapiter|égorg*|démembr*|éventr*|mutil*|éviscér*|tête coupée|têtes coupées`,
    es: `decapitad*|degoll*|descuartiz*|mutilad*|cabeza cortada|cabezas cortadas|destripad*|desmembr*`,
    it: `sgozza*|smembra*|sventrat*|squartat*|testa mozzata|teste mozzate`,
    pt: `degolad*|esquartej*|estripad*|cabeça decepada`,
    nl: `onthoofd*|verminkt*|afgehakt hoofd|afgehakte hoofden`,
    pl: `odcięta głowa|odciętą głową|odcięte głowy|poćwiartowan*|okalecz*|rozczłonk*|wypatrosz*`,
    cs: `useknutá hlava|rozčtvrc*|zohaven*`,
    sv: `halshugg*|halshugget|avhugget huvud|stympa*`,
    fi: `katkaistu pää|mestaus|silpominen|silvottu*`,
    hu: `lefejez*|levágott fej*|megcsonkít*`,
    el: `αποκεφαλισ*|ακρωτηριασ*|διαμελισ*`,
    ru: `обезглав*|расчлен*|отрезанная голова|отрезанной головой|отрезанные головы|изувеч*|выпотрош*|обезголовл*|розчленов*|перерезанн* горло|
      перерезанное горло`,
    tr: `kafası kesil*|kesik baş|kesik kafa|başı kesik|parçalanmış ceset*`,
    ar: `قطع رأس*|قطع الرأس|رأس مقطوع|مقطوع الرأس|أشلاء|جثة مشوهة|جثث مشوهة`,
    fa: `سر بریده|سر بریدن|جسد تکه تکه`,
    he: `עריפת ראש|ראש כרות`,
    hi: `सिर कटा|कटा हुआ सिर|सिर कलम`,
    zh: `斩首|斬首|砍头|砍頭|肢解|分尸|分屍|开膛破肚|開膛破肚|虐杀|虐殺|断肢|斷肢|内脏外露|割喉|碎尸|碎屍|凌迟|虐待动物|恐怖袭击`,
    ja: `首を切られた|首を切る|生首|四肢切断|バラバラ死体|惨殺|グロ画像|切り刻まれた`,
    ko: `참수|토막살인|토막 시체|목이 잘린|잘린 머리|난도질|사지절단|사지 절단|총기난사|총기 난사`,
    th: `ตัดหัว|หั่นศพ`,
    vi: `chặt đầu|chém đầu|phanh thây`,
    id: `pemenggalan|dipenggal|memenggal|mutilasi`,
  },
  likely: {
    en: `gore|torture*|torturing|massacre*|bloodbath*|dead body|dead bodies|corpse*|cadaver*|pool of blood|covered in blood|blood everywhere|
      blood splatter*|blood spurting|bleeding out|intestines|stabbed|stabbing|impaled|impaling|noose|blood dripping|brutal murder|murdered|
      murder victim|gunshot wound*|exposed brain*|execution`,
    de: `folter*|massaker*|blutbad|leiche|leichen|blutüberströmt*`,
    fr: `massacre*|cadavre*|bain de sang|mare de sang`,
    es: `tortura*|masacre*|cadáver*|charco de sangre|ensangrentad*`,
    it: `tortura*|massacro|cadavere|cadaveri|pozza di sangue`,
    pt: `cadáver*|poça de sangue|ensanguentad*`,
    nl: `gemarteld*|bloedbad|lijken in|plas bloed`,
    pl: `tortur*|masakr*|zwłoki|kałuża krwi|kałuży krwi`,
    ru: `пытк*|пытают|резня|труп|трупы|трупов|лужа крови|луже крови|лужи крови|кишки`,
    tr: `işkence*|katliam*|ceset*|kan gölü*`,
    ar: `تعذيب|مذبحة|جثة|جثث|بركة دم|بركة من الدم|ذبح`,
    fa: `شکنجه|قتل عام|جسد`,
    hi: `यातना|लाश|लाशें|नरसंहार|खून से लथपथ`,
    zh: `酷刑|屠杀|屠殺|尸体|屍體|血腥|血泊|枪击`,
    ja: `拷問|死体|血まみれ|スプラッター|内臓`,
    ko: `학살|시체|피범벅|고문하|고문당`,
    th: `ศพ|ทรมาน|สังหารหมู่|เลือดท่วม`,
    vi: `tra tấn|thảm sát|xác chết|vũng máu`,
    id: `penyiksaan|pembantaian|mayat|genangan darah`,
  },
  faint: { en: `gory|bloody|blood|murder|screaming`, de: `blutig*|blut`, ru: `кровь|кров*`, zh: `鲜血`, ja: `血` },
};
