import { chownSync, closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

import { cached, keyOf } from "../../tools/lib/cache";
import { messageOf } from "../../tools/lib/errors";
import { run, waitFor, which } from "../../tools/lib/process";
import { skipAll } from "./skip";

/** An nginx with njs on this machine. */
export interface NginxInstallation {
    binary: string;
    njsModule: string;
    version: string;
}

const PACKAGES = ["nginx", "libnginx-mod-http-js"];
const NJS_MODULE = "usr/lib/nginx/modules/ngx_http_js_module.so";

/** The nginx on PATH, else Debian's unpacked into the cache: nothing is installed and no service starts. */
async function findNginx(): Promise<NginxInstallation | { missing: string }> {
    const installed = await which("nginx");
    try {
        if (installed && existsSync(`/${NJS_MODULE}`)) return await describeNginx(installed, `/${NJS_MODULE}`);
        if (!(await which("apt-get"))) return { missing: "there is neither nginx with njs on PATH nor apt-get" };
        const key = keyOf({ texts: PACKAGES, paths: ["/etc/os-release"] });
        const directory = await cached("nginx", "debian", key, unpackPackages);
        return await describeNginx(join(directory, "usr/sbin/nginx"), join(directory, NJS_MODULE));
    } catch (error) {
        return { missing: `nginx with njs is not to be had: ${messageOf(error).split("\n")[0]}` };
    }
}

async function unpackPackages(directory: string): Promise<void> {
    const download = () => run("apt-get", ["download", ...PACKAGES], { cwd: directory });
    // A new machine has no package lists yet.
    await download().catch(async () => {
        await run("apt-get", ["update"]);
        await download();
    });
    const archives = (await run("find", [directory, "-name", "*.deb"])).stdout.trim().split("\n");
    for (const archive of archives) await run("dpkg", ["-x", archive, directory]);
}

async function describeNginx(binary: string, njsModule: string): Promise<NginxInstallation> {
    const { stderr } = await run(binary, ["-v"]);
    return { binary, njsModule, version: /nginx\/([\d.]+)/.exec(stderr)?.[1] ?? "" };
}

/** The installation, in a `before` hook: without one all tests of the suite are skipped, with the reason. */
export async function requireNginx(hook: Mocha.Context): Promise<NginxInstallation> {
    const found = await findNginx();
    return "missing" in found ? skipAll(hook, found.missing) : found;
}

/** User of nginx in these tests: another one than the agent's, in the same group, as fsGroup makes it in a pod. */
export const NGINX_USER = 101;
/** User and group of our images. */
export const AGENT_USER = 65532;

/** `spawn` options for a user; as ourselves where we are not root. */
export function asUser(uid: number): { uid?: number; gid?: number } {
    return process.getuid?.() === 0 ? { uid, gid: AGENT_USER } : {};
}

/** A running nginx and its log. */
export class Nginx {
    private constructor(
        private readonly child: ChildProcess,
        private readonly logFile: string,
    ) {}

    /** Starts nginx with the command that the sidecar's container has. */
    static async start(installation: NginxInstallation, configuration: string, logFile: string): Promise<Nginx> {
        writeFileSync(logFile, "");
        const { uid, gid } = asUser(NGINX_USER);
        if (uid !== undefined) chownSync(logFile, uid, gid!);
        // A file, since nginx opens /dev/stdout anew, which a socket would not allow.
        const log = openSync(logFile, "a");
        const child = spawn(installation.binary, ["-e", "stderr", "-c", configuration], {
            stdio: ["ignore", log, log],
            ...asUser(NGINX_USER),
        });
        closeSync(log);
        return new Nginx(child, logFile);
    }

    get log(): string {
        return readFileSync(this.logFile, "utf8");
    }

    /** The access log's lines, parsed. */
    get accessLog(): Record<string, unknown>[] {
        return this.log
            .split("\n")
            .filter((line) => line.startsWith("{"))
            .map((line) => JSON.parse(line));
    }

    get ended(): number | undefined {
        return this.child.exitCode ?? undefined;
    }

    /** Lets requests in flight finish; returns the exit code. */
    async quit(signal: NodeJS.Signals = "SIGQUIT"): Promise<number | null> {
        if (this.child.exitCode !== null) return this.child.exitCode;
        this.child.kill(signal);
        const [code] = (await once(this.child, "exit")) as [number | null];
        return code;
    }

    async isListening(url: string): Promise<void> {
        await waitFor(
            `nginx answers ${url}`,
            async () => {
                if (this.child.exitCode !== null) return true;
                return Boolean(await fetch(url, { redirect: "manual" }));
            },
            { timeoutMs: 10_000, everyMs: 20 },
        );
        if (this.child.exitCode !== null) throw new Error(`nginx ended with ${this.child.exitCode}:\n${this.log}`);
    }
}
