/**
 * A line that rewrites itself on a terminal; elsewhere, a line for every tenth of the way.
 * @returns what to call with how far it has come, of how much, and a remark
 */
export function progressBar(title: string): (done: number, total: number, remark?: string) => void {
  let printed = -1;
  return (done, total, remark = '') => {
    const part = total === 0 ? 0 : done / total;
    const bar = '█'.repeat(Math.round(part * 30)).padEnd(30, '░');
    const line = `${title.padEnd(10)} ${bar} ${done}/${total}  ${remark}`;
    if (process.stdout.isTTY) return void process.stdout.write(`\r${line}\u001b[K${done === total ? '\n' : ''}`);
    const tenth = Math.floor(part * 10);
    if (tenth > printed) console.log(line.trimEnd());
    printed = tenth;
  };
}
