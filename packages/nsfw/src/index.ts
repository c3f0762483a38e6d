export { type Classes, type Classifier, classes, openClassifier } from './classifier.ts';
