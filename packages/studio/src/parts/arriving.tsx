import { dictionary, useWords } from '../speech.tsx';

/** In place of what is being fetched and will be there at once. */
export const Arriving = () => <p class="quiet arriving">{useWords(arrivingWords).moment}</p>;

const arrivingWords = dictionary({ moment: 'One moment …' }, { moment: '请稍候 …' });
