import { dictionary } from './speech.tsx';

export const appWords = dictionary(
  {
    rooms: { create: 'Create', train: 'Train', batch: 'Batch', library: 'Library', usage: 'Usage' },
    pages: 'Pages',
    skip: 'Skip to the page',
    leave: 'Sign out',
    welcome: 'Pictures in a style of your own',
    key: 'API key or token',
    keyHint: 'The server prints a key when it starts; it stays in this browser.',
    enter: 'Enter',
    entering: 'Looking …',
  },
  {
    rooms: { create: '创作', train: '训练', batch: '批量', library: '风格库', usage: '用量' },
    pages: '页面',
    skip: '跳到正文',
    leave: '退出',
    welcome: '用您自己的风格作画',
    key: 'API 密钥或令牌',
    keyHint: '服务器启动时会显示密钥；它只保存在此浏览器中。',
    enter: '进入',
    entering: '正在验证 …',
  },
);
