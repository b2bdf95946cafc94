import { get } from "node:http";

import { Config, ConfigurationError, ImageDeclaration, parseConfig, Parameters } from "./declaration";
import { describeImage } from "./describe";
import { exitCodes } from "./exitCodes";

const PROBE_TIMEOUT_MS = 5000;

/**
 * Reads this process's arguments and environment. Does what `--describe` or `--probe=<path>` asks for and reports what
 * is wrong; both leave the exit code behind.
 *
 * @returns the configuration to run with, or undefined when there is nothing left to do
 */
export async function readCommandLine<P extends Parameters>(
    declaration: ImageDeclaration<P>,
): Promise<Config<P> | undefined> {
    const [argument, ...more] = process.argv.slice(2);
    if (argument === "--describe" && more.length === 0) {
        process.stdout.write(`${JSON.stringify(describeImage(declaration), undefined, 4)}\n`);
        return undefined;
    }
    const probe = declaration.kind === "service" ? /^--probe=(\/.*)$/.exec(argument ?? "")?.[1] : undefined;
    if (argument !== undefined && (probe === undefined || more.length > 0)) {
        const known = Object.keys(describeImage(declaration).arguments).join(" or ");
        fail(declaration, exitCodes.usage, [
            `${process.argv.slice(2).join(" ")} is no argument; give none, or ${known}`,
        ]);
        return undefined;
    }
    const config = parsed(declaration);
    if (config === undefined || probe === undefined) return config;

    const { host, port } = declaration.ports.http;
    const { [host]: address, [port]: number } = config as Record<string, unknown>;
    const problem = await probeProblem(String(address), Number(number), probe);
    if (problem !== undefined) fail(declaration, exitCodes.failed, [problem]);
    return undefined;
}

function parsed<P extends Parameters>(declaration: ImageDeclaration<P>): Config<P> | undefined {
    try {
        return parseConfig(declaration, process.env);
    } catch (error) {
        if (!reportedAsConfiguration(declaration, error)) throw error;
        return undefined;
    }
}

/** Prints the problems of a `ConfigurationError` and sets the exit code; false for any other error. */
export function reportedAsConfiguration(declaration: ImageDeclaration, error: unknown): boolean {
    if (!(error instanceof ConfigurationError)) return false;
    fail(declaration, exitCodes.configuration, error.problems);
    return true;
}

function fail({ name }: ImageDeclaration, code: number, problems: readonly string[]): void {
    process.stderr.write(problems.map((problem) => `${name}: ${problem}\n`).join(""));
    process.exitCode = code;
}

/** One GET from this container's own service; undefined when the answer is 2xx. */
function probeProblem(host: string, port: number, path: string): Promise<string | undefined> {
    const target = {
        host: { "0.0.0.0": "127.0.0.1", "::": "::1" }[host] ?? host,
        port,
        path,
        timeout: PROBE_TIMEOUT_MS,
    };
    return new Promise((resolve) => {
        const request = get(target, (response) => {
            const status = response.statusCode ?? 0;
            let body = "";
            response.setEncoding("utf8").on("data", (text: string) => (body += text));
            response.on("end", () =>
                resolve(
                    status >= 200 && status < 300 ? undefined : `${path} answered ${status}: ${body.slice(0, 1000)}`,
                ),
            );
        });
        request.on("timeout", () => request.destroy(new Error(`no answer within ${PROBE_TIMEOUT_MS} ms`)));
        request.on("error", (error) => resolve(`${path} on ${target.host}:${port}: ${error.message}`));
    });
}
