export { type Finding, type Moderator, openModerator, type Stage, type Text } from './moderator.ts';
export { type Category, categories, type Policy, parsePolicy, policySchema } from './policy.ts';
