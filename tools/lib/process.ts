import { spawn } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

import { messageOf } from "./errors";

/** How a command is run. */
export interface RunOptions {
    cwd?: string;
    /** Added to this process's environment; `undefined` removes a variable. */
    env?: Record<string, string | undefined>;
    /** Text for standard input. Default: none. */
    input?: string;
    /** File that receives all output as it comes, appended. */
    logFile?: string;
    /** Milliseconds after which the command is ended. Default: no limit. */
    timeout?: number;
}

/** A command that ended with another status than 0; `message` ends with the tail of what it said. */
export class CommandError extends Error {
    constructor(
        command: string,
        readonly status: number | string,
        readonly stdout: string,
        readonly stderr: string,
    ) {
        const tail = (stderr.trim() || stdout.trim()).split("\n").slice(-12).join("\n");
        super(`${command} ended with ${status}${tail ? `:\n${tail}` : ""}`);
        this.name = "CommandError";
    }
}

/** Runs a command without a shell and returns what it printed. */
export async function run(
    command: string,
    args: string[],
    options: RunOptions = {},
): Promise<{ stdout: string; stderr: string }> {
    const log = options.logFile ? openSync(options.logFile, "a") : undefined;
    try {
        return await new Promise((resolve, reject) => {
            const child = spawn(command, args, {
                cwd: options.cwd,
                env: { ...process.env, ...options.env },
                stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
                timeout: options.timeout,
            });
            const output = { stdout: "", stderr: "" };
            for (const stream of ["stdout", "stderr"] as const) {
                child[stream]!.setEncoding("utf8").on("data", (text: string) => {
                    output[stream] += text;
                    if (log !== undefined) writeSync(log, text);
                });
            }
            child.stdin?.on("error", () => undefined).end(options.input);
            child.on("error", reject);
            child.on("close", (code, signal) => {
                if (code === 0) resolve(output);
                else
                    reject(
                        new CommandError(
                            [command, ...args].join(" "),
                            code ?? signal ?? "?",
                            output.stdout,
                            output.stderr,
                        ),
                    );
            });
        });
    } finally {
        if (log !== undefined) closeSync(log);
    }
}

/**
 * Runs a command with this terminal's input and output; returns its exit status.
 *
 * @param errorLine takes the lines of its standard error instead of the terminal
 */
export function runAttached(
    command: string,
    args: string[],
    options: RunOptions & { errorLine?: (line: string) => void } = {},
): Promise<number> {
    return new Promise((resolve, reject) => {
        const child = spawn(command, args, {
            cwd: options.cwd,
            env: { ...process.env, ...options.env },
            stdio: ["inherit", "inherit", options.errorLine ? "pipe" : "inherit"],
        });
        if (options.errorLine) createInterface({ input: child.stderr! }).on("line", options.errorLine);
        child.on("error", reject);
        child.on("close", (code) => resolve(code ?? 1));
    });
}

/** Absolute path of a command in the directories of `path` (default: PATH), or undefined. */
export async function which(command: string, path = process.env.PATH): Promise<string | undefined> {
    try {
        const env = { PATH: path };
        return (await run("/bin/sh", ["-c", 'command -v -- "$0"', command], { env })).stdout.trim() || undefined;
    } catch {
        return undefined;
    }
}

/**
 * Waits until `probe` returns something other than undefined or false.
 *
 * @throws Error naming `what`, the time waited and the last error of the probe
 */
export async function waitFor<T>(
    what: string,
    probe: () => Promise<T | undefined | false> | T | undefined | false,
    { timeoutMs = 60_000, everyMs = 100 }: { timeoutMs?: number; everyMs?: number } = {},
): Promise<T> {
    const end = performance.now() + timeoutMs;
    let last: unknown;
    for (;;) {
        try {
            const result = await probe();
            if (result !== undefined && result !== false) return result;
        } catch (error) {
            last = error;
        }
        if (performance.now() > end) {
            throw new Error(`${what}: not within ${timeoutMs / 1000} s${last ? ` (${messageOf(last)})` : ""}`);
        }
        await delay(everyMs);
    }
}
