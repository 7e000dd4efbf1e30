// Answers what llama.cpp makes of GGUF files, through node-llama-cpp, on the CPU and greedily.
//
//   node llama_generate.mjs FOLDER_OF_NODE_MODULES < questions.json > answers.json
//
// Questions and answers are those of ../llama_bindings.py.
import {createRequire} from "node:module";
import {resolve} from "node:path";
import {json} from "node:stream/consumers";
import {pathToFileURL} from "node:url";

const require = createRequire(resolve(process.argv[2], "any.js"));
const {getLlama} = await import(pathToFileURL(require.resolve("node-llama-cpp")));
const questions = await json(process.stdin);
const llama = await getLlama({
    gpu: false, build: "never", skipDownload: true, progressLogs: false, logLevel: "error"
});

const answers = [];
for (const {model: modelPath, prompts, max_tokens: maxTokens} of questions) {
    const model = await llama.loadModel({modelPath, useMmap: false});
    const answer = prompts.map((prompt) => ({
        prompt_ids: model.tokenize(prompt, true), ids: [], stopped: false, text: "", next: []
    }));
    if (maxTokens > 0)
        await generate(model, answer, maxTokens);
    await model.dispose();
    answers.push(answer);
}
process.stdout.write(JSON.stringify(answers), () => process.exit(0));

async function generate(model, answer, maxTokens) {
    const longest = Math.max(...answer.map((one) => one.prompt_ids.length));
    const context = await model.createContext({
        contextSize: longest + maxTokens,
        flashAttention: false,
        threads: 1,
        experimentalKvCacheKeyType: "F32",
        experimentalKvCacheValueType: "F32"
    });
    const sequence = context.getSequence();
    for (const one of answer) {
        one.next = await probabilities(sequence, one.prompt_ids);
        await sequence.clearHistory();
        const tokens = sequence.evaluate(one.prompt_ids, {temperature: 0, yieldEogToken: true});
        for await (const id of tokens) {
            one.stopped = model.isEogToken(id);
            if (one.stopped)
                break;
            one.ids.push(id);
            if (one.ids.length === maxTokens)
                break;
        }
        one.text = model.detokenize(one.ids, false, one.prompt_ids);
    }
    await context.dispose();
}

async function probabilities(sequence, ids) {
    const everything = {temperature: 1, topK: 0, topP: 1, minP: 0};
    const last = [ids.at(-1), {generateNext: {probabilities: true, options: everything}}];
    await sequence.clearHistory();
    const outputs = await sequence.controlledEvaluate([...ids.slice(0, -1), last]);
    const byId = [...outputs.at(-1).next.probabilities].sort(([a], [b]) => a - b);
    return byId.map(([, probability]) => probability);
}
