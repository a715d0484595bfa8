// What the page's other scripts share.

export const $ = id => document.getElementById(id);

// make returns an element with a class and a text.
export function make(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

export const percent = (p, digits = 1) => (100 * p).toFixed(digits) + " %";
export const count = (n, one, many) => n.toLocaleString("en") + " " + (n === 1 ? one : many);
export const some = (list, n) => list.slice(0, n).join(", ") + (list.length > n ? " and " + (list.length - n).toLocaleString("en") + " more" : "");

let token = "";
export const useToken = text => { token = text; };
export const hasToken = () => token !== "";

// call asks the server, and throws the server's own sentence where it refuses.
export async function call(path, options = {}) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = "Bearer " + token;
  let response;
  try {
    response = await fetch(path, { ...options, headers, credentials: "omit", cache: "no-store" });
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new Error("the server cannot be reached");
  }
  let body = null;
  try {
    body = await response.json();
  } catch (e) {
    if (e.name === "AbortError") throw e;
  }
  if (response.ok && body) return body;
  const error = new Error(body && body.error ? body.error : "the server answered with status " + response.status);
  error.status = response.status;
  error.retry = Number(response.headers.get("Retry-After")) || 0; // seconds
  throw error;
}

// plain is an error's sentence for people: which package says so is for programs.
export const plain = error => error.message.replace(/^(dataset|serve|inception): ([a-z]+: )?/, "");
