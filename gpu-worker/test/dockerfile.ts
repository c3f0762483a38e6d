import { readFileSync } from 'node:fs';
import { join, matchesGlob } from 'node:path';

export type Instruction = { name: string; rest: string; stage: number };

/** The instructions of a Dockerfile, continued lines joined; `stage` counts its FROMs. */
export function parseDockerfile(text: string): Instruction[] {
  const lines = text
    .split('\n')
    .filter((line) => !/^\s*(#|$)/.test(line))
    .join('\n')
    .replaceAll(/\\\n/g, ' ')
    .split('\n');
  let stage = -1;
  return lines.map((line) => {
    const [, name = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (name === 'FROM') stage++;
    return { name, rest, stage };
  });
}

/** The exec form of a CMD, ENTRYPOINT, RUN or SHELL; undefined if it is written for a shell. */
export function execForm(rest: string): string[] | undefined {
  const [, list] = /(\[.*\])$/.exec(rest) ?? [];
  return list === undefined ? undefined : JSON.parse(list);
}

/** `KEY=value` pairs of an ENV. */
export function pairs(rest: string): [string, string][] {
  return Array.from(rest.matchAll(/(\w+)=("[^"]*"|\S+)/g), ([, key = '', value = '']) => [key, value.replaceAll('"', '')]);
}

/** From where to where a COPY goes, within the build context; nothing for one from another stage. */
export function copies(instructions: Instruction[]): { from: string; to: string }[] {
  return instructions
    .filter(({ name, rest }) => name === 'COPY' && !rest.includes('--from='))
    .flatMap(({ rest }) => {
      const words = rest.split(/\s+/);
      const to = words.pop() ?? '';
      const into = to.endsWith('/');
      return words.map((from) => ({ from, to: into ? join(to, from.split('/').at(-1) ?? '') : to }));
    });
}

/** Whether a file of the context, by its path from the root, is sent to the builder: the last rule that matches decides. */
export function inContext(ignoreFile: string, path: string): boolean {
  const rules = readFileSync(ignoreFile, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const matches = (pattern: string) => matchesGlob(path, pattern) || matchesGlob(path, `${pattern}/**`);
  return rules.reduce((sent, rule) => (rule.startsWith('!') ? sent || matches(rule.slice(1)) : sent && !matches(rule)), true);
}
