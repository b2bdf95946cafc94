/**
 * Both ends of a test connection, as functions without outer references: their source text runs in a bare `node -e`,
 * inside a network namespace or a container that has nothing of this project.
 */

/** Where to connect, and how long to wait for an answer. */
export interface Target {
    protocol: "tcp" | "udp";
    address: string;
    port: number;
    timeoutMs: number;
}

/** Ports that answer whoever connects with `<name>`, and then with all that is sent to them. */
export interface Listener {
    name: string;
    tcp: number[];
    udp: number[];
}

/** Listens; resolves when every port is open. */
export async function listen({ name, tcp, udp }: Listener): Promise<void> {
    const net = process.getBuiltinModule("node:net");
    const dgram = process.getBuiltinModule("node:dgram");
    const answer = (socket: import("node:net").Socket) => {
        socket.on("error", () => undefined).write(name);
        socket.pipe(socket);
    };
    await Promise.all([
        ...tcp.map((port) => new Promise<void>((opened) => net.createServer(answer).listen(port, "0.0.0.0", opened))),
        ...udp.map((port) => {
            const socket = dgram.createSocket("udp4");
            socket.on("message", (_, from) => socket.send(name, from.port, from.address));
            return new Promise<void>((opened) => socket.bind(port, "0.0.0.0", opened));
        }),
    ]);
}

/** Connects once. Resolves to the name of who answered, to `timeout`, or to the error's code. */
export function attempt({ protocol, address, port, timeoutMs }: Target): Promise<string> {
    const net = process.getBuiltinModule("node:net");
    const dgram = process.getBuiltinModule("node:dgram");
    return new Promise((resolve) => {
        const socket = protocol === "tcp" ? net.connect(port, address) : dgram.createSocket("udp4");
        const settle = (outcome: string) => {
            clearTimeout(timer);
            if (socket instanceof net.Socket) socket.destroy();
            else socket.close();
            resolve(outcome);
        };
        const timer = setTimeout(settle, timeoutMs, "timeout");
        socket.once("error", (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
        if (socket instanceof net.Socket) socket.once("data", (data) => settle(String(data)));
        else socket.once("message", (data) => settle(String(data))).send("?", port, address);
    });
}
