interface CoverProps {
  name: string;
  /** null: a woven pattern that is its name's own */
  url: string | null;
}

/** The picture that stands for a style. */
export function Cover({ name, url }: CoverProps) {
  return url ? <img class="cover" src={url} alt="" loading="lazy" /> : <Weave name={name} />;
}

const threads = 6;

/** A cloth whose colours and crossings come from a name: the same one each time, another for each name. */
export function Weave({ name }: { name: string }) {
  let state = 2166136261;
  // FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/
  for (const letter of name) state = Math.imul(state ^ (letter.codePointAt(0) ?? 0), 16777619);
  const draw = () => {
    state = Math.imul(state ^ (state >>> 15), 2246822519) >>> 0;
    return state / 2 ** 32;
  };
  const hue = Math.floor(draw() * 360);
  const warp = Array.from({ length: threads }, () => `oklch(${0.55 + draw() * 0.3} 0.07 ${hue})`);
  const weft = Array.from({ length: threads }, () => `oklch(${0.6 + draw() * 0.3} 0.06 ${(hue + 40 + draw() * 60) % 360})`);
  return (
    <svg class="cover" viewBox={`0 0 ${threads} ${threads}`} shapeRendering="crispEdges" aria-hidden="true">
      {warp.map((colour, x) => (
        <rect key={colour} x={x} width="1" height={threads} fill={colour} />
      ))}
      {weft.flatMap((colour, y) =>
        warp.map(
          (_, x) =>
            (x + y + (draw() > 0.8 ? 1 : 0)) % 2 === 0 && (
              <rect key={`${x} ${y}`} x={x} y={y} width="1" height="1" fill={colour} />
            ),
        ),
      )}
    </svg>
  );
}
