/** A small likeness of a picture, as a data URL of a few kilobytes; empty if the browser cannot read it. */
export async function likenessOf(picture: Blob, side = 112): Promise<string> {
  try {
    const whole = await createImageBitmap(picture);
    const scale = Math.min(1, side / Math.max(whole.width, whole.height));
    const canvas = document.createElement('canvas');
    canvas.width = Math.max(1, Math.round(whole.width * scale));
    canvas.height = Math.max(1, Math.round(whole.height * scale));
    canvas.getContext('2d')?.drawImage(whole, 0, 0, canvas.width, canvas.height);
    whole.close();
    return canvas.toDataURL('image/webp', 0.8);
  } catch {
    return '';
  }
}
