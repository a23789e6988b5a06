// What all parts of the page use: its elements, requests to the server, and buttons for styles.
export const element = (id) => document.getElementById(id);

export async function ask(path, options) {
  const answer = await fetch(path, options).catch(() => { throw new Error("the server cannot be reached; when it runs again, reload this page"); });
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({})); // not JSON: the status says it
  throw new Error(error || `the server answered ${answer.status}`);
}

// Adds a button for a style to a list, and returns its image, which is still empty.
export function addStyleButton(list, style, chosen) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.name = style.name;
  const image = document.createElement("img");
  image.alt = "";
  button.append(image, style.name.replaceAll("_", " "));
  button.addEventListener("click", () => chosen(style.name));
  const item = document.createElement("li");
  item.append(button);
  list.append(item);
  return image;
}
