import type { Words } from './list.ts';

/** Suicide and harm to oneself. */
export const selfHarm: Words = {
  certain: {
    en: `suicid*|self harm*|selfharm*|self injur*|self mutilat*|cut myself|cutting myself|cutting herself|cutting himself|cutting themselves|
      cut my wrist*|cutting wrist*|cutting my wrist*|cutting her wrist*|cutting his wrist*|cut wrist*|slit wrist*|slit my wrist*|slit her wrist*|
      slitting wrist*|slitting her wrist*|slashed wrist*|bleeding wrist*|wrist cutting|kill myself|killing myself|killing himself|killing herself|
      end my life|ending my life|ending her life|ending his life|take my own life|taking her own life|taking his own life|hang myself|
      hanging myself|hanging himself|hanging herself|hanged himself|hanged herself|pro ana|proana|thinspo*|thinspiration|unalive*`,
    de: `selbstmord*|suizid*|selbstverletz*|pulsadern|mich umbringen|sich umbringen|erhängt sich|sich erhängen|sich erhängt`,
    fr: `automutil*|ouvrir les veines|ouvre les veines|couper les veines|coupe les veines|se pendre|se pend`,
    es: `autolesi*|cortarse las venas|cortándose las venas|cortarme las venas|quitarme la vida|quitarse la vida|ahorcad*|ahorcars*|ahorcándose`,
    it: `autolesion*|tagliarsi le vene|tagliarmi le vene|si taglia le vene|togliersi la vita|impiccars*|impiccat*`,
    pt: `automutila*|cortar os pulsos|cortando os pulsos|tirar a própria vida|enforcad*|se enforcando`,
    nl: `zelfmoord*|zelfverminking|zelfbeschadig*|polsen doorsnij*|doorgesneden polsen`,
    pl: `samobójstw*|samobójc*|podciąć żyły|podcięte żyły|podcina żyły|podcinająca żyły|samookalecz*`,
    cs: `sebevražd*|sebepoškoz*`,
    sv: `självmord*|selvmord*|självskad*|selvskad*`,
    fi: `itsemurh*|viillel*`,
    hu: `öngyilkos*`,
    ro: `sinucid*`,
    el: `αυτοκτον*|αυτοτραυματισ*`,
    ru: `самоубий*|суицид*|порезать вены|режет вены|режет себе вены|вскрыть вены|вскрывает вены|порезанные вены|самоповрежд*|селфхарм|повеситься|
      повесился|повесилась|покончить с собой|убить себя|самогубств*`,
    tr: `intihar*|bileklerini kes*|kendine zarar ver*|kendini asan`,
    ar: `انتحار*|الانتحار|ينتحر|إيذاء النفس|شنق نفسه|شنق نفسها|يقتل نفسه|تقتل نفسها|قطع شرايين*`,
    fa: `خودکشی|خودزنی|رگ زدن`,
    he: `התאבד*|פגיעה עצמית`,
    hi: `आत्महत्या|खुदकुशी|कलाई काट*|aatmahatya|khudkushi`,
    bn: `আত্মহত্যা`,
    zh: `自杀|自殺|自残|自殘|割腕|上吊|跳楼|跳樓|轻生|輕生|自缢|服毒自尽|结束自己的生命`,
    ja: `自傷|リストカット|リスカ|首吊り|首つり|死にたい|手首を切|自害`,
    ko: `자살|자해|손목을 긋|손목 긋|목을 매|목매|죽고 싶`,
    th: `ฆ่าตัวตาย|ทำร้ายตัวเอง|กรีดข้อมือ|ผูกคอตาย`,
    vi: `tự sát|muốn tự tử|người tự tử|tự tử bằng|cảnh tự tử|cắt cổ tay|rạch cổ tay|treo cổ`,
    id: `bunuh diri|menyakiti diri|gantung diri|menyayat pergelangan`,
    fil: `magpakamatay|nagpakamatay`,
  },
  likely: {
    en: `overdos*|anorexi*|bulimi*|noose|jumping off a bridge|jump off a bridge|razor on wrist|wants to die|want to die|pills on the floor|
      cutting scars`,
    de: `ritzen|magersucht`,
    fr: `pendaison|anorexique*`,
    es: `matarme|sobredosis`,
  },
};
