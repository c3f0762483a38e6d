import type { IconSet } from './icons.ts';

/** Something that the base can paint. */
export interface Subject {
  /** The noun in captions. */
  caption: string;
  /** The icon's name, which the sets share. */
  icon: string;
  /** The sets whose design of it is used. */
  sets: readonly IconSet[];
}

const subject = (caption: string, icon: string, sets: readonly IconSet[] = ['fluent-emoji-flat']): Subject => ({ caption, icon, sets });

/** Well-known subjects that no two of look alike, in the order of being learned. */
export const plainSubjects: readonly Subject[] = [
  subject('red apple', 'red-apple'),
  subject('banana', 'banana'),
  subject('strawberry', 'strawberry'),
  subject('watermelon', 'watermelon'),
  subject('grapes', 'grapes'),
  subject('cherries', 'cherries'),
  subject('lemon', 'lemon'),
  subject('carrot', 'carrot'),
  subject('corn', 'ear-of-corn'),
  subject('pizza', 'pizza'),
  subject('hamburger', 'hamburger'),
  subject('ice cream', 'soft-ice-cream'),
  subject('birthday cake', 'birthday-cake'),
  subject('doughnut', 'doughnut'),
  subject('cat', 'cat-face'),
  subject('dog', 'dog-face'),
  subject('panda', 'panda'),
  subject('frog', 'frog'),
  subject('pig', 'pig-face'),
  subject('fox', 'fox'),
  subject('fish', 'tropical-fish'),
  subject('octopus', 'octopus'),
  subject('butterfly', 'butterfly'),
  subject('ladybug', 'lady-beetle'),
  subject('penguin', 'penguin'),
  subject('turtle', 'turtle'),
  subject('sunflower', 'sunflower'),
  subject('tulip', 'tulip'),
  subject('cactus', 'cactus'),
  subject('tree', 'deciduous-tree'),
  subject('mushroom', 'mushroom'),
  subject('sun', 'sun'),
  subject('moon', 'crescent-moon'),
  subject('star', 'star'),
  subject('rainbow', 'rainbow'),
  subject('snowman', 'snowman'),
  subject('heart', 'red-heart'),
  subject('house', 'house'),
  subject('car', 'automobile'),
  subject('bus', 'bus'),
  subject('rocket', 'rocket'),
  subject('sailboat', 'sailboat'),
  subject('umbrella', 'umbrella'),
  subject('balloon', 'balloon'),
  subject('gift', 'wrapped-gift'),
  subject('guitar', 'guitar'),
  subject('soccer ball', 'soccer-ball'),
  subject('light bulb', 'light-bulb'),
  subject('crown', 'crown'),
  subject('ghost', 'ghost'),
];
