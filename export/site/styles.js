// The styles of this site, and the vectors that a look needs: what Python does in realtime/style.py and style_catalogue.py.
let found; // what styles.json says, once for all who ask

// What styles.json says: { model, bytes, sha256, vector_size, identity, styles: [{ name, thumbnail, vector }], credits }.
export function readStyles() {
  found ??= fetch(new URL("styles.json", import.meta.url)).then((answer) => {
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    return answer.json();
  }).then((said) => {
    if (said.format !== 1 || !Array.isArray(said.styles) || !said.styles.length) throw new Error("it is of another version");
    return said;
  }).catch((error) => {
    found = undefined; // the next who asks may have more luck
    throw new Error(`The list of styles could not be read (${error.message}); reload the page.`);
  });
  return found;
}

// The vector of a look { style, strength }: style is a name or a blend such as "candy:0.60+mosaic:0.40", whose shares count
// by their sum; strength goes from the vector that gives back the image, at 0, to the style's own, at 1. Float32Array.
export function vectorOf(look, { identity, styles }) {
  const parts = partsOf(look.style, styles);
  const total = parts.reduce((sum, { share }) => sum + share, 0);
  const strength = look.strength ?? 1;
  return Float32Array.from(identity, (kept, place) => {
    const mean = parts.reduce((sum, { share, vector }) => sum + share / total * vector[place], 0);
    return (1 - strength) * kept + strength * mean;
  });
}

// The styles that a name or a blend means: { share, vector } each; throws where there is none.
function partsOf(text, styles) {
  return text.split("+").map((part) => {
    const [, name, weight] = /^\s*(.*?)\s*(?::([^:]*))?$/.exec(part);
    const share = weight === undefined ? 1 : Number(weight);
    const style = styles.find((each) => each.name === name);
    if (!style) throw new Error(`There is no style ${name}.`);
    if (!(share > 0 && share < Infinity)) throw new Error(`The share of ${name} must be a number above 0.`);
    return { share, vector: style.vector };
  });
}
