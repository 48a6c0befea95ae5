// The small curve of a day: its points from text and from live bars, and its drawing.

const LEVELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const MOST_POINTS = 64;

/** The prices of a curve that the server wrote as letters between its lowest and highest price. */
export function decode(low, high, text) {
  const height = high - low;
  return Array.from(text, (letter) => low + (LEVELS.indexOf(letter) / 63) * height);
}

/** Adds a price; of a long curve every second point goes. */
export function push(points, price) {
  points.push(price);
  if (points.length <= MOST_POINTS) return points;
  return points.filter((_, at) => at % 2 === 0 || at === points.length - 1);
}

/** Draws the curve with the price that changes are counted from as a faint line. */
export function draw(canvas, points, base, colour, faint) {
  const scale = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth || 72, canvas.clientHeight || 20];
  if (canvas.width !== Math.round(width * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  if (points.length < 2) return;
  const hasBase = Number.isFinite(base);
  let [low, high] = hasBase ? [base, base] : [Infinity, -Infinity];
  for (const point of points) {
    low = Math.min(low, point);
    high = Math.max(high, point);
  }
  const span = high - low || 1;
  const y = (price) => height - 2 - ((price - low) / span) * (height - 4);
  if (hasBase) {
    pen.strokeStyle = faint;
    pen.lineWidth = 1;
    pen.setLineDash([2, 2]);
    pen.beginPath();
    pen.moveTo(0, y(base));
    pen.lineTo(width, y(base));
    pen.stroke();
    pen.setLineDash([]);
  }
  pen.strokeStyle = colour;
  pen.lineWidth = 1.25;
  pen.lineJoin = "round";
  pen.beginPath();
  points.forEach((point, at) => {
    const x = 1 + (at / (points.length - 1)) * (width - 2);
    if (at === 0) pen.moveTo(x, y(point));
    else pen.lineTo(x, y(point));
  });
  pen.stroke();
}
