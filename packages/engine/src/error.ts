export { InputError } from '@loraloom/lora-files';
