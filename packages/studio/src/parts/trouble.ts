import { LoraloomError } from '@loraloom/client';
import { dictionary, type Language } from '../speech.tsx';

/** What went wrong, as a visitor can use it. */
export interface Trouble {
  /** In the visitor's language. */
  what: string;
  /** What to do about it; empty where `what` says so already. */
  todo: string;
  /** In the API's own words, where `what` is not these. */
  said: string | null;
  /** The field of the request at fault, as `prompt` or `files.3.caption`. */
  param: string | null;
  requestId: string | null;
  code: string;
}

/** Where a record says why its job failed. */
interface JobError {
  code: string;
  message: string;
  param: string | null;
  refusal?: { category: string } | undefined;
}

/**
 * What an error means: of the client, of a failed job's record, or of the page itself.
 * @param problem anything that was thrown, or a record's `error`
 */
export function explain(problem: unknown, language: Language): Trouble {
  const words = troubles[language];
  const error = isJobError(problem) ? problem : undefined;
  if (!error)
    return { what: words.unexpected, todo: words.reload, said: `${problem}`, param: null, requestId: null, code: 'page' };
  const { code, message, param } = error;
  const requestId = problem instanceof LoraloomError ? problem.requestId : null;
  const rest = { code, param, requestId };
  if (code === 'content_refused') {
    const category = error.refusal?.category ?? /refused as (\w+)/.exec(message)?.[1] ?? '';
    const [what, todo] = has(words.refused, category) ? words.refused[category] : words.refusedOtherwise;
    return { ...rest, what, todo, said: null };
  }
  if (has(words.known, code)) {
    const [what, todo] = words.known[code];
    return { ...rest, what, todo, said: isOwn(code) ? null : message };
  }
  // The API says what was wrong and what was wanted.
  return { ...rest, what: language === 'en' ? message : words.asked, todo: '', said: language === 'en' ? null : message };
}

/** These are told by their code alone. */
const isOwn = (code: string) =>
  ['page_missing', 'no_answer', 'unauthorized', 'not_csv', 'no_lines', 'too_many_lines'].includes(code);

const has = <T extends object>(table: T, key: string): key is Extract<keyof T, string> => Object.hasOwn(table, key);

const isJobError = (value: unknown): value is JobError =>
  typeof value === 'object' &&
  value !== null &&
  'code' in value &&
  typeof value.code === 'string' &&
  'message' in value &&
  'param' in value;

const troubles = dictionary(
  {
    unexpected: 'Something went wrong in this page.',
    reload: 'Load the page again; nothing that was asked for is lost.',
    asked: 'The request could not be taken.',
    known: {
      page_missing: ['This page could not be loaded.', 'The studio was updated, or you are offline: load it again.'],
      no_answer: ['The server does not answer.', 'Is it running, and are you online? Then try again.'],
      unauthorized: ['Your key is not accepted.', 'It may have expired or been revoked: enter another one.'],
      insufficient_scope: ['Your key may not do this.', 'Ask whoever gave it to you for one that may.'],
      rate_limited: ['That was too much at once.', 'Wait a minute, then try again.'],
      too_many_jobs: ['You have as many jobs going as you may have.', 'Wait for one to finish, or cancel one.'],
      quota_exceeded: ['Your quota is used up.', 'The Usage page shows it, and when it starts anew.'],
      unexpected_answer: ['The answer was not one of Loraloom’s.', 'A proxy may stand in between. Try again in a moment.'],
      internal_error: [
        'Something went wrong on the server.',
        'It was logged. Try again, and quote the number below if it happens again.',
      ],
      worker_failed: ['The machine failed while it was working on this.', 'Ask for it again.'],
      start_deadline_exceeded: ['No machine was free in time.', 'Ask for it again, later.'],
      run_deadline_exceeded: ['It took longer than it was allowed to.', 'Ask for less at once: fewer pictures, or fewer steps.'],
      unknown_lora: ['A style that you chose is not there any more.', 'Take it off, or choose another.'],
      unknown_model: ['The base model is not there any more.', 'Load the page again and choose another.'],
      unknown_file: ['An uploaded file is not there any more.', 'Add it again.'],
      file_not_uploaded: ['A file’s upload did not finish.', 'Add it again.'],
      not_a_picture: ['A file is not a picture that can be read.', 'JPEG, PNG or WebP is wanted.'],
      lora_mismatch: ['A style was made for another base model.', 'Choose a style for this one.'],
      too_large: ['That is too large.', 'Send less at once.'],
      expired: ['These pictures are not kept any more.', 'Ask for them again with the same settings.'],
      deleted: ['It was deleted.', 'Choose another.'],
      not_found: ['It is not there.', 'It may have been deleted, or belong to another account.'],
      bad_size: ['This model does not make pictures of that size.', 'Choose another shape.'],
      digest_gone: [
        'A file that made this is not there any more.',
        'It cannot be made exactly so again; use its settings instead.',
      ],
      too_many_shares: ['It is shared with as many as it may be.', 'Take one of them off first.'],
      preflight_failed: ['These pictures cannot be trained on as they are.', 'What was found says what to do about each.'],
      already_finished: ['It has ended already.', ''],
      not_csv: [
        'This is no CSV file in UTF-8.',
        'In your spreadsheet, save it as “CSV UTF-8”, or copy its cells and paste them.',
      ],
      no_lines: ['There are no rows in it.', 'The first row names the columns; each further one is a product.'],
      too_many_lines: ['A batch takes 50,000 rows at most.', 'Cut the file in two, and make one after the other.'],
      malformed_csv: [
        'This row does not fit the columns.',
        'A text with a comma in it wants quotation marks around it; or a cell or a mark is missing.',
      ],
      unknown_column: ['The words name a column that the file does not have.', 'Choose one of the columns above instead.'],
      duplicate_custom_id: ['Another row has the same name.', 'Make it different, or number the rows.'],
      invalid_lines: ['Some rows are not right, so nothing was made.', 'Mend them, then drop the file again.'],
      budget_reached: ['The budget of this batch is used up.', 'What was made is kept; the rest needs a new batch.'],
      nothing_to_retry: ['No row failed.', ''],
      not_finished: ['It has not ended yet.', 'Wait for it, or cancel it.'],
    },
    refused: {
      sexual: ['This studio does not make sexual pictures.', 'Describe the scene without that, and it will gladly draw it.'],
      sexual_minors: [
        'This cannot be drawn here.',
        'Nothing sexual about children is made, in any style. Please describe something else.',
      ],
      violence: ['This is more violent than the studio draws.', 'Tension and drama are welcome; leave out the cruelty.'],
      hate: ['This reads as hateful towards people.', 'If it was not meant so, put it in other words.'],
      self_harm: [
        'This sounds as if someone might get hurt.',
        'If it is about you: you are not alone, and findahelpline.com lists people to talk to, today. Otherwise, describe the picture without it.',
      ],
      custom: ['This is not allowed on this server.', 'Its owner keeps a list; put it in other words.'],
    },
    refusedOtherwise: ['This was refused.', 'Put it in other words.'],
  },
  {
    unexpected: '页面出了点问题。',
    reload: '请重新加载页面；已经提交的内容不会丢失。',
    asked: '请求未被接受。',
    known: {
      page_missing: ['此页面无法加载。', '工作室已更新，或您已离线：请重新加载。'],
      no_answer: ['服务器没有回应。', '请确认服务器在运行、网络已连接，然后重试。'],
      unauthorized: ['您的密钥未被接受。', '它可能已过期或被吊销，请换一个。'],
      insufficient_scope: ['您的密钥没有此权限。', '请向提供密钥的人索取有权限的密钥。'],
      rate_limited: ['请求太频繁了。', '请等一分钟再试。'],
      too_many_jobs: ['同时进行的任务已达上限。', '请等一个任务结束，或取消一个。'],
      quota_exceeded: ['您的配额已用完。', '“用量”页面会显示配额以及何时重置。'],
      unexpected_answer: ['收到的回应并非来自 Loraloom。', '中间可能有代理服务器，请稍后再试。'],
      internal_error: ['服务器出了问题。', '问题已记录。请重试；若再次出现，请提供下面的编号。'],
      worker_failed: ['处理时机器出了故障。', '请重新提交。'],
      start_deadline_exceeded: ['没有机器及时空出来。', '请稍后重新提交。'],
      run_deadline_exceeded: ['用时超出了限制。', '请减少数量或步数。'],
      unknown_lora: ['所选的风格已不存在。', '请移除它，或另选一个。'],
      unknown_model: ['基础模型已不存在。', '请重新加载页面并另选一个。'],
      unknown_file: ['上传的文件已不存在。', '请重新添加。'],
      file_not_uploaded: ['有文件没有上传完。', '请重新添加。'],
      not_a_picture: ['有文件不是可读取的图片。', '请使用 JPEG、PNG 或 WebP。'],
      lora_mismatch: ['有风格是为其他基础模型制作的。', '请选择适用于当前模型的风格。'],
      too_large: ['内容太大了。', '请一次少发一些。'],
      expired: ['这些图片已不再保留。', '可以用相同的设置重新生成。'],
      deleted: ['它已被删除。', '请另选一个。'],
      not_found: ['它不存在。', '它可能已被删除，或属于其他账户。'],
      bad_size: ['此模型不能生成这种尺寸的图片。', '请选择其他形状。'],
      digest_gone: ['制作它的某个文件已不存在。', '无法完全重现，请改用它的设置。'],
      too_many_shares: ['共享对象已达上限。', '请先移除一个。'],
      preflight_failed: ['这些图片目前无法用于训练。', '检查结果会说明如何处理每个问题。'],
      already_finished: ['它已经结束了。', ''],
      not_csv: ['这不是 UTF-8 编码的 CSV 文件。', '请在电子表格中另存为“CSV UTF-8”，或复制单元格后粘贴。'],
      no_lines: ['文件里没有数据行。', '首行是列名，其后每行一个商品。'],
      too_many_lines: ['一个批次最多 50,000 行。', '请把文件拆成两个，分别提交。'],
      malformed_csv: ['这一行与列不符。', '含逗号的文字需要加引号；也可能缺少单元格或引号。'],
      unknown_column: ['描述中用到了文件里没有的列。', '请改用上面列出的列。'],
      duplicate_custom_id: ['另一行使用了相同的名称。', '请改成不同的名称，或改用行号命名。'],
      invalid_lines: ['有些行不正确，因此没有生成任何图片。', '请修正后重新放入文件。'],
      budget_reached: ['此批次的预算已用完。', '已生成的会保留；其余的需要新建批次。'],
      nothing_to_retry: ['没有失败的行。', ''],
      not_finished: ['它还没有结束。', '请等待，或取消它。'],
    },
    refused: {
      sexual: ['本工作室不生成色情图片。', '请去掉这部分再描述画面，我们很乐意为您绘制。'],
      sexual_minors: ['这里无法绘制此内容。', '任何风格都不会生成涉及儿童的色情内容，请描述别的画面。'],
      violence: ['这比本工作室能画的更暴力。', '紧张和戏剧性没问题，请去掉残忍的部分。'],
      hate: ['这段文字读起来带有对他人的仇恨。', '如果并非本意，请换一种说法。'],
      self_harm: [
        '这听起来像是有人可能会受到伤害。',
        '如果这与您有关：您并不孤单，findahelpline.com 列出了今天就能倾诉的人。否则，请去掉这部分再描述画面。',
      ],
      custom: ['此服务器不允许这样的内容。', '服务器的主人有一份清单，请换一种说法。'],
    },
    refusedOtherwise: ['此内容被拒绝了。', '请换一种说法。'],
  },
);
