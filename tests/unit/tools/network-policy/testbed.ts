import { ChildProcess, spawn } from "node:child_process";

import { run, which } from "../../../../tools/lib/process";
import { attempt, listen, Listener, Target } from "./peer";

/** What an end of the test network is called, has as its address and listens on. */
export interface End extends Listener {
    address: string;
}

const GATEWAY = "10.244.0.1";

/** What a process in a namespace does on request: connect anew, or keep a connection and use it again. */
function serve(connect: typeof attempt): void {
    const net = process.getBuiltinModule("node:net");
    let held: import("node:net").Socket | undefined;
    process.on("message", async ({ id, action, target }: { id: number; action: string; target: Target }) => {
        const next = () =>
            new Promise<string>((resolve) => {
                const timer = setTimeout(() => resolve("timeout"), target.timeoutMs);
                held!.once("data", (data) => {
                    clearTimeout(timer);
                    resolve(String(data));
                });
            });
        if (action === "hold") {
            held = net.connect(target.port, target.address).on("error", () => undefined);
            process.send!({ id, outcome: await next() });
        } else if (action === "use") {
            held!.write("still here");
            process.send!({ id, outcome: await next() });
        } else {
            process.send!({ id, outcome: await connect(target) });
        }
    });
}

/**
 * A router and the hosts behind it, each in a network namespace of its own, wired as the `ptp` plugin wires pods: one
 * veth pair each, everything routed. Nothing leaves these namespaces.
 */
export class Testbed {
    readonly router = `dpnp-${process.pid}-router`;
    private readonly namespaces: string[] = [];
    private readonly processes = new Map<string, ChildProcess>();
    private readonly waiting = new Map<number, (outcome: string) => void>();
    private requests = 0;

    /** Makes the network and starts a process in every namespace; `node` is the one in the router. */
    async start(ends: End[]): Promise<void> {
        await this.addNamespace(this.router);
        await run("nsenter", [`--net=/run/netns/${this.router}`, "sysctl", "-qw", "net.ipv4.ip_forward=1"]);
        for (const [index, { name, address }] of ends.entries()) {
            const namespace = `dpnp-${process.pid}-${name}`;
            await this.addNamespace(namespace);
            await batch(this.router, [
                `link add p${index} type veth peer name eth0 netns ${namespace}`,
                `addr add ${GATEWAY}/32 dev p${index}`,
                `link set p${index} up`,
                `route add ${address}/32 dev p${index}`,
            ]);
            await batch(namespace, [
                `addr add ${address}/32 dev eth0`,
                "link set eth0 up",
                `route add ${GATEWAY} dev eth0 scope link`,
                `route add default via ${GATEWAY}`,
            ]);
        }
        await Promise.all([
            ...ends.map((end) => this.startProcess(`dpnp-${process.pid}-${end.name}`, end)),
            this.startProcess(this.router, { name: "node", tcp: [5000, 5001], udp: [5000] }),
        ]);
    }

    /** Loads nft input into the router. */
    async load(text: string): Promise<void> {
        await this.inRouter("nft", ["-f", "-"], text);
    }

    async inRouter(command: string, args: string[], input?: string): Promise<string> {
        return (await run("nsenter", [`--net=/run/netns/${this.router}`, command, ...args], { input, timeout: 20_000 }))
            .stdout;
    }

    /** Has the process of an end connect to a target. See `attempt` for the outcome. */
    request(from: string, target: Target, action: "connect" | "hold" | "use" = "connect"): Promise<string> {
        const id = ++this.requests;
        return new Promise((resolve) => {
            this.waiting.set(id, resolve);
            this.processes.get(from)!.send({ id, action, target });
        });
    }

    /** Ends the processes and deletes the namespaces that this object made. */
    async stop(): Promise<void> {
        await Promise.all(
            [...this.processes.values()].map(
                (child) =>
                    new Promise((ended) =>
                        child.exitCode === null ? child.once("exit", ended).kill("SIGKILL") : ended(0),
                    ),
            ),
        );
        for (const namespace of this.namespaces) await run("ip", ["netns", "delete", namespace]);
    }

    private async addNamespace(name: string): Promise<void> {
        await run("ip", ["netns", "add", name]);
        this.namespaces.push(name);
        await batch(name, ["link set lo up"]);
    }

    private async startProcess(namespace: string, { name, tcp, udp }: Listener): Promise<void> {
        const source = `(${listen})(${JSON.stringify({ name, tcp, udp })}).then(() => process.send({ id: 0 }));(${serve})(${attempt});`;
        const child = spawn("nsenter", [`--net=/run/netns/${namespace}`, process.execPath, "-e", source], {
            stdio: ["ignore", "inherit", "inherit", "ipc"],
        });
        this.processes.set(name, child);
        await new Promise<void>((ready, failed) => {
            child.once("exit", (code) => failed(new Error(`the process in ${namespace} ended with ${code}`)));
            child.on("message", ({ id, outcome }: { id: number; outcome: string }) => {
                if (id === 0) return ready();
                this.waiting.get(id)!(outcome);
                this.waiting.delete(id);
            });
        });
    }
}

async function batch(namespace: string, commands: string[]): Promise<void> {
    await run("ip", ["-n", namespace, "-batch", "-"], { input: `${commands.join("\n")}\n` });
}

/** Why tests that need network namespaces, nft and the given commands cannot run here; undefined if they can. */
export async function obstacle(...commands: string[]): Promise<string | undefined> {
    if (process.getuid?.() !== 0) return "needs root";
    for (const command of ["nft", "ip", "nsenter", ...commands]) {
        if (!(await which(command))) return `needs ${command}`;
    }
    return undefined;
}
