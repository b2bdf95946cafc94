import { ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";

import { bundleImage } from "../../../images/bundle";
import { waitFor } from "../../../tools/lib/process";

const bundles = new Map<string, Promise<string>>();
const running = new Set<ChildProcess>();

/** Path of an image's bundle, made once in a test run. */
export async function bundled(image: string): Promise<string> {
    if (!bundles.has(image)) bundles.set(image, bundleImage(image));
    return join(await bundles.get(image)!, "server.js");
}

/** A process of an image, with what it wrote so far. */
export interface ImageProcess {
    readonly pid: number;
    stdout: string;
    stderr: string;
    /** Exit code, or the signal that ended it. */
    readonly ended: Promise<number | string>;
    kill(signal: NodeJS.Signals): void;
    /** Log lines with this message. */
    logged(msg: string): Record<string, unknown>[];
}

/** How a process is started, beside its environment. */
export interface StartOptions {
    args?: string[];
    /** Command that runs the process, with its first arguments. */
    wrapper?: string[];
    /** User and group id to run as. */
    id?: number;
}

/** Starts a server file with this environment and PATH alone. TypeScript files run through ts-node. */
export function startProcess(
    file: string,
    env: Record<string, string> = {},
    { args = [], wrapper = [], id }: StartOptions = {},
): ImageProcess {
    const loader = file.endsWith(".ts") ? ["-r", "ts-node/register/transpile-only"] : [];
    const [command, ...rest] = [...wrapper, process.execPath, ...loader, file, ...args];
    const child = spawn(command, rest, {
        env: { PATH: process.env.PATH, ...env },
        stdio: ["ignore", "pipe", "pipe"],
        uid: id,
        gid: id,
    });
    running.add(child);
    const started: ImageProcess = {
        pid: child.pid!,
        stdout: "",
        stderr: "",
        ended: once(child, "close").then(([code, signal]) => {
            running.delete(child);
            return code ?? signal;
        }),
        kill: (signal) => void child.kill(signal),
        logged: (msg) =>
            started.stdout
                .split("\n")
                .filter((line) => line.startsWith("{"))
                .map((line) => JSON.parse(line))
                .filter((line) => line.msg === msg),
    };
    child.stdout.setEncoding("utf8").on("data", (text: string) => (started.stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (started.stderr += text));
    return started;
}

/** A process that serves HTTP at `url`, with the environment it was started with. */
export type Service = ImageProcess & { url: string; env: Record<string, string> };

/** A service on a free loopback port, once it answers `/livez`. */
export async function startService(
    file: string,
    env: Record<string, string> = {},
    options?: StartOptions,
): Promise<Service> {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const settings = { HOST: "127.0.0.1", PORT: String(port), ...env };
    const started = startProcess(file, settings, options);
    let ended: number | string | undefined;
    void started.ended.then((code) => (ended = code));
    await waitFor(`${file} answers`, async () => {
        if (ended !== undefined) return true;
        return (await fetch(`${url}/livez`)).ok;
    });
    if (ended !== undefined) throw new Error(`${file} ended with ${ended}: ${started.stderr}${started.stdout}`);
    return Object.assign(started, { url, env: settings });
}

/** Ends what a test left running. */
export async function endProcesses(): Promise<void> {
    await Promise.all(
        [...running].map(async (child) => {
            child.kill("SIGKILL");
            if (child.exitCode === null && child.signalCode === null) await once(child, "close");
        }),
    );
}

async function freePort(): Promise<number> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, "close");
    return port;
}
