/**
 * Where the page after this one begins. S3 would fold what is left of the last folder into the same prefix again if it
 * were asked to start right after that prefix; `~` sorts behind every character that our keys are made of.
 */
export function nextOf(keys: { key: string }[], prefixes: string[]): string | undefined {
  const folder = prefixes.at(-1);
  return [keys.at(-1)?.key, folder && `${folder}~`]
    .filter((last) => last !== undefined)
    .sort()
    .at(-1);
}
