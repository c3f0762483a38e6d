import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useRef } from 'preact/hooks';

/** Height of a row of the grid, in pixels; bricks span as many as they need. */
const row = 4;

interface MasonryProps<T> {
  label: string;
  bricks: readonly T[];
  keyOf: (brick: T) => string;
  children: (brick: T) => ComponentChildren;
}

/** A wall of things of different heights, in their order from left to right, each under the shortest column. */
export function Masonry<T>({ label, bricks, keyOf, children }: MasonryProps<T>) {
  const watch = useMemo(
    () =>
      new ResizeObserver((changes) => {
        for (const { target } of changes) {
          if (!(target instanceof HTMLElement) || !target.parentElement) continue;
          target.parentElement.style.gridRowEnd = `span ${Math.ceil(target.offsetHeight / row)}`;
        }
      }),
    [],
  );
  useEffect(() => () => watch.disconnect(), [watch]);
  return (
    <ul class="masonry" aria-label={label} style={{ gridAutoRows: `${row}px` }}>
      {bricks.map((brick) => (
        <Brick key={keyOf(brick)} watch={watch}>
          {children(brick)}
        </Brick>
      ))}
    </ul>
  );
}

function Brick({ watch, children }: { watch: ResizeObserver; children: ComponentChildren }) {
  const inside = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const box = inside.current;
    if (!box) return;
    watch.observe(box);
    return () => watch.unobserve(box);
  }, [watch]);
  return (
    <li>
      <div ref={inside}>{children}</div>
    </li>
  );
}
