/** Strokes on a square of 24. */
const strokes = {
  close: 'M6 6l12 12M18 6L6 18',
  plus: 'M12 5v14M5 12h14',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  download: 'M12 4v11m-4.5-4.5L12 15l4.5-4.5M5 19.5h14',
  copy: 'M9 9h10v11H9zM5 15V4h10',
  compare: 'M12 4v16M8 8l-4 4 4 4M16 8l4 4-4 4',
  more: 'M12 4l1.8 5.2L19 11l-5.2 1.8L12 18l-1.8-5.2L5 11l5.2-1.8zM18.5 16v4M16.5 18h4',
  edit: 'M5 19l1-4L16 5l3 3L9 18z',
  image: 'M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01',
  lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3',
  unlock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 6.7-1.4',
  left: 'M15 5l-7 7 7 7',
  right: 'M9 5l7 7-7 7',
  trash: 'M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13',
  share: 'M12 15V4m-4 4l4-4 4 4M6 12v8h12v-8',
  upload: 'M12 15V4m-4.5 4.5L12 4l4.5 4.5M5 19.5h14',
  settings: 'M4 7h9m4 0h3M4 17h3m4 0h9M15 5v4M9 15v4',
} as const;
export type IconName = keyof typeof strokes;

/** A picture for the eye alone; whatever holds it says in words what it is for. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={strokes[name]} />
    </svg>
  );
}
