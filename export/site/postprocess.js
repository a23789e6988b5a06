// What happens to a stylized image before it is shown: scaled to the canvas, original colours, mirroring, comparison.

// Fills a context's canvas. original: the source of the stylized image, where the look keeps colours or split is not 0;
// split: the original is shown left of this share of the width.
export function show(context, stylized, original, look, split = 0) {
  const { width, height } = context.canvas;
  context.save();
  if (look.mirror) context.setTransform(-1, 0, 0, 1, width, 0);
  context.drawImage(stylized, 0, 0, width, height);
  if (look.keep_colors) {
    context.globalCompositeOperation = "color"; // hue and chroma of what is drawn, luma of what is there
    context.drawImage(original, 0, 0, width, height);
  }
  context.restore();
  if (split > 0) showOriginal(context, original, look, Math.round(split * width));
}

function showOriginal(context, original, look, edge) {
  const { width, height } = context.canvas;
  context.save();
  context.beginPath();
  context.rect(0, 0, edge, height);
  context.clip();
  if (look.mirror) context.setTransform(-1, 0, 0, 1, width, 0);
  context.drawImage(original, 0, 0, width, height);
  context.restore();
}
