import { parsePolicy } from '@loraloom/moderation';
import { expect, test } from 'vitest';
import { pictureThresholdsOf, stageNamed, textPolicyOf } from './stage.ts';

test('what a stage refuses reaches the programs as they read it; by default nothing is said', () => {
  const { MODERATION } = textPolicyOf({ texts: { deny: ['acme'], off: ['violence'], thresholds: { hate: 0.5 } } });
  expect(parsePolicy(MODERATION)).toMatchObject({ deny: ['acme'], off: ['violence'], thresholds: { hate: 0.5 } });
  expect(pictureThresholdsOf({ startPictures: 'off', outputPictures: 0.4 })).toEqual({
    START_PICTURE_THRESHOLD: 'off',
    OUTPUT_PICTURE_THRESHOLD: '0.4',
  });
  const { moderation } = stageNamed('production');
  expect([textPolicyOf(moderation), pictureThresholdsOf(moderation)]).toEqual([{}, {}]);
});
