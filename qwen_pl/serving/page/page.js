"use strict";
// Sends the prompt to /v1/completions and shows the pieces of the answer as they come.
// Whatever the model writes is put in as text, never as HTML.

const $ = (id) => document.getElementById(id);
const form = $("form");
let writing = null; // the AbortController of the request at work

const ENDS = { stop: "it ended by itself", length: "all the tokens asked for" };

async function write(prompt) {
  if (writing) return;
  let settings;
  try {
    settings = readSettings();
  } catch (error) {
    showError(error.message);
    return;
  }
  writing = new AbortController();
  showError("");
  showBusy(true);
  const start = performance.now();
  try {
    const body = { prompt, stream: true, stream_options: { include_usage: true }, ...settings };
    const response = await ask("/v1/completions", {
      method: "POST",
      headers: { "Content-Type": "application/json", ...keyHeader() },
      body: JSON.stringify(body),
      signal: writing.signal,
    });
    const { reason, numTokens } = await show(prompt, response);
    const seconds = (performance.now() - start) / 1000;
    $("status").textContent =
      `${numTokens} tokens in ${seconds.toFixed(1)} s, ` + (ENDS[reason] ?? reason);
  } catch (error) {
    $("status").textContent = error.name === "AbortError" ? "stopped" : "";
    if (error.name !== "AbortError") showError(error.message);
  } finally {
    writing = null;
    showBusy(false);
  }
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer: is it still running?");
  }
  if (response.ok) return response;
  if (response.status === 401) $("key-row").hidden = false;
  const answer = await response.json().catch(() => null);
  throw new Error(answer?.error?.message ?? `The server answered ${response.status}.`);
}

async function show(prompt, response) {
  let reason = null, numTokens = 0;
  // Only now, so that a setting that is refused does not cost the text before.
  $("given").textContent = prompt;
  $("written").textContent = "";
  $("status").textContent = "waiting";
  $("result").hidden = false;
  $("result").setAttribute("aria-busy", true);
  $("result").scrollIntoView({ block: "nearest" });
  for await (const event of events(response.body)) {
    $("status").textContent = "writing";
    if (event.error) throw new Error(event.error.message);
    if (event.usage) numTokens = event.usage.completion_tokens;
    for (const choice of event.choices) {
      append(choice.text);
      reason = choice.finish_reason ?? reason;
    }
  }
  if (reason === null) throw new Error("The server ended before the text did.");
  return { reason, numTokens };
}

// The JSON after each "data: ", up to "[DONE]". A piece of the body may end anywhere.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new Error("The connection to the server broke.");
    });
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const data = part.replace(/^data: /, "");
      if (data === "[DONE]") return;
      yield JSON.parse(data);
    }
  }
}

function append(text) {
  const page = document.scrollingElement;
  const atEnd = page.scrollHeight - page.scrollTop - page.clientHeight < 40;
  $("written").append(text);
  if (atEnd) page.scrollTop = page.scrollHeight;
}

function readSettings() {
  const settings = {};
  for (const input of form.querySelectorAll("input[name]")) {
    const label = input.labels[0].textContent.trim();
    if (input.validity.badInput) throw new Error(`${label} is not a number.`);
    if (input.value !== "") settings[input.name] = Number(input.value);
  }
  const stops = form.querySelector("[name=stop]").value.split("\n").filter(Boolean);
  if (stops.length) settings.stop = stops.map((stop) => stop.replaceAll("\\n", "\n"));
  return settings;
}

function keyHeader() {
  const key = $("key").value;
  return key ? { Authorization: `Bearer ${key}` } : {};
}

function showBusy(isBusy) {
  const [gone, come] = isBusy ? [$("write"), $("stop")] : [$("stop"), $("write")];
  const hadFocus = document.activeElement === gone;
  gone.hidden = true;
  come.hidden = false;
  if (hadFocus) come.focus();
  $("go-on").disabled = $("copy").disabled = isBusy;
  if (!isBusy) $("result").removeAttribute("aria-busy");
}

function showError(message) {
  $("error").textContent = message;
  $("error").hidden = message === "";
}

async function showModel() {
  try {
    const models = await (await ask("/v1/models", { headers: keyHeader() })).json();
    const { id, max_model_len: longest } = models.data[0];
    $("model").textContent = `${id}, contexts of up to ${longest.toLocaleString("en")} tokens`;
    document.title = `${id} – qwen_pl`;
    showError("");
  } catch (error) {
    $("model").textContent = "";
    showError(error.message);
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  write($("prompt").value);
});
$("stop").addEventListener("click", () => writing?.abort());
$("go-on").addEventListener("click", () => {
  $("prompt").value = $("text").textContent;
  write($("prompt").value);
});
$("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText($("text").textContent).then(
    () => ($("status").textContent = "copied"),
    () => getSelection().selectAllChildren($("text")), // where pages may not copy, select it
  );
});
$("key").addEventListener("change", showModel);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") writing?.abort();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    write($("prompt").value);
  }
});
showModel();
