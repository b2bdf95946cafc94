import { ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
    chmodSync,
    chownSync,
    copyFileSync,
    mkdirSync,
    mkdtempSync,
    renameSync,
    rmSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import { createServer, IncomingHttpHeaders, IncomingMessage, Server } from "node:http";
import { Agent, AgentOptions, request } from "node:https";
import { AddressInfo, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TLSSocket } from "node:tls";

import { createAuthority, issueCertificate, PemPair } from "../../images/bootstrap/src/issue";
import { waitFor } from "../../tools/lib/process";
import { bundled } from "../images/support/imageProcess";
import { AGENT_USER, asUser, Nginx, NGINX_USER, NginxInstallation } from "./nginx";

const DAY = 86_400_000;

/** Makes a server certificate for `localhost`; each call another serial. */
export function serverCertificate(ca: PemPair, now?: Date, validity = DAY): Promise<PemPair> {
    const names = { dnsNames: ["localhost"], ipAddresses: ["127.0.0.1"] };
    return issueCertificate(ca, { ...names, validity, usages: ["server auth"] }, now);
}

/** What the application saw of a request. */
export interface Seen {
    method: string;
    url: string;
    headers: IncomingHttpHeaders;
    body: string;
}

export interface Answer {
    status: number;
    headers: IncomingHttpHeaders;
    body: string;
    /** Serial number of the served certificate, upper-case hex. */
    serial: string;
    socket: TLSSocket;
}

/** Agent, nginx and an application on loopback, laid out as in a pod: two users, one group, one shared folder. */
export class HttpsSidecar {
    readonly directory = mkdtempSync(join(tmpdir(), "https-sidecar-"));
    readonly runDirectory = join(this.directory, "run");
    readonly secretDirectory = join(this.directory, "secret");
    ca!: PemPair;
    httpsPort!: number;
    httpPort!: number;
    agentPort!: number;
    nginx!: Nginx;
    /** Status of the application's `/ready`. */
    readyStatus = 200;
    /** Requests for `/slow` that have reached the application. */
    slowRequests = 0;
    private application!: Server;
    private agent?: ChildProcess;
    private agentLog = "";
    private versions = 0;

    /**
     * Everything running, a first certificate in service.
     *
     * @param env further parameters of the agent
     * @param clientCa CA of client certificates
     */
    static async start(
        installation: NginxInstallation,
        env: Record<string, string> = {},
        clientCa?: PemPair,
    ): Promise<HttpsSidecar> {
        const sidecar = await HttpsSidecar.prepare();
        if (clientCa) writeFileSync(join(sidecar.directory, "client-ca.crt"), clientCa.certificate);
        sidecar.mount(await serverCertificate(sidecar.ca));
        await sidecar.startAgent(installation, env);
        await sidecar.startNginx(installation);
        await waitFor(
            "the first certificate",
            async () => (await sidecar.plain("/readyz", sidecar.agentPort)).status === 200,
        );
        return sidecar;
    }

    /** The application alone. */
    static async prepare(): Promise<HttpsSidecar> {
        const sidecar = new HttpsSidecar();
        chmodSync(sidecar.directory, 0o755);
        sidecar.ca = await createAuthority("test", 30 * DAY);
        for (const [directory, user, mode] of [
            // Group and mode as an emptyDir has them with fsGroup.
            [sidecar.runDirectory, 0, 0o2770],
            [join(sidecar.directory, "tmp"), NGINX_USER, 0o755],
            [sidecar.secretDirectory, AGENT_USER, 0o755],
        ] as const) {
            mkdirSync(directory);
            if (process.getuid?.() === 0) chownSync(directory, user, AGENT_USER);
            chmodSync(directory, mode);
        }
        sidecar.application = await sidecar.startApplication();
        [sidecar.httpsPort, sidecar.httpPort, sidecar.agentPort] = await freePorts(3);
        return sidecar;
    }

    async startAgent(installation: NginxInstallation, env: Record<string, string> = {}): Promise<void> {
        copyFileSync(await bundled("certificate-agent"), join(this.directory, "server.js"));
        this.agent = spawn(process.execPath, [join(this.directory, "server.js")], {
            ...asUser(AGENT_USER),
            cwd: this.directory,
            stdio: ["ignore", "pipe", "pipe"],
            env: { ...this.parameters(installation), ...env },
        });
        for (const stream of [this.agent.stdout!, this.agent.stderr!])
            stream.on("data", (text) => (this.agentLog += text));
        await waitFor("the agent answers", async () => {
            if (this.agent!.exitCode !== null) throw new Error(`the agent ended: ${this.agentLog}`);
            return (await this.plain("/livez", this.agentPort)).status === 200;
        });
    }

    async startNginx(installation: NginxInstallation): Promise<void> {
        // Copied like the agent, since checkout and cache may be closed to the sidecar's users.
        copyFileSync(installation.njsModule, join(this.directory, "njs.so"));
        copyFileSync(installation.binary, join(this.directory, "nginx"));
        const copied = { ...installation, binary: join(this.directory, "nginx") };
        this.nginx = await Nginx.start(
            copied,
            join(this.runDirectory, "nginx.conf"),
            join(this.directory, "nginx.log"),
        );
        await this.nginx.isListening(`http://127.0.0.1:${this.httpPort}/`);
    }

    async stop(): Promise<void> {
        await this.nginx?.quit("SIGTERM");
        await this.stopAgent();
        this.application.closeAllConnections();
        await new Promise((resolve) => this.application.close(resolve));
        rmSync(this.directory, { recursive: true, force: true });
    }

    async stopAgent(): Promise<void> {
        if (!this.agent || this.agent.exitCode !== null || this.agent.signalCode !== null) return;
        const ended = once(this.agent, "exit");
        this.agent.kill("SIGTERM");
        await ended;
    }

    /** The agent's parameters for a deployment in this folder. */
    parameters(installation: NginxInstallation): Record<string, string> {
        return {
            HOST: "127.0.0.1",
            PORT: String(this.agentPort),
            DRAIN_DELAY: "0s",
            RUN_DIR: this.runDirectory,
            TEMP_DIR: join(this.directory, "tmp"),
            SECRET_DIR: this.secretDirectory,
            LISTEN_ADDRESSES: "127.0.0.1",
            APP_PORT: String((this.application.address() as AddressInfo).port),
            READINESS_PATH: "/ready",
            HTTPS_PORT: String(this.httpsPort),
            HTTP_PORT: String(this.httpPort),
            PUBLIC_HTTPS_PORT: String(this.httpsPort),
            NGINX_VERSION: installation.version,
            NJS_MODULE: join(this.directory, "njs.so"),
            CLIENT_CA_FILE: join(this.directory, "client-ca.crt"),
        };
    }

    /** Replaces the mounted Secret as the kubelet does: a new folder, then the link `..data`. */
    mount({ certificate, key }: PemPair): void {
        const version = `..${++this.versions}`;
        mkdirSync(join(this.secretDirectory, version));
        writeFileSync(join(this.secretDirectory, version, "tls.crt"), certificate);
        writeFileSync(join(this.secretDirectory, version, "tls.key"), key);
        const next = join(this.secretDirectory, "..data_tmp");
        symlinkSync(version, next);
        renameSync(next, join(this.secretDirectory, "..data"));
    }

    /** A request over plain HTTP, redirects not followed. Default port: nginx's for HTTP. */
    async plain(path: string, port = this.httpPort, headers: Record<string, string> = {}) {
        const response = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: "manual", headers });
        return { status: response.status, headers: response.headers, body: await response.text() };
    }

    /** A request over HTTPS that verifies the certificate; on a connection of its own unless `options` has an agent. */
    ask(path = "/", options: RequestOptions = {}): Promise<Answer> {
        const { body, ...rest } = options;
        return new Promise((resolve, reject) => {
            const outgoing = request({
                host: "127.0.0.1",
                servername: "localhost",
                port: this.httpsPort,
                path,
                agent: false,
                ca: this.ca.certificate,
                ...rest,
            });
            outgoing.on("error", reject).on("response", (response) => {
                const socket = response.socket as TLSSocket;
                // Read now: a connection that ends with this answer forgets it.
                const serial = socket.getPeerCertificate().serialNumber;
                textOf(response).then((text) => {
                    const { statusCode: status = 0, headers } = response;
                    resolve({ status, headers, body: text, serial, socket });
                }, reject);
            });
            outgoing.end(body);
        });
    }

    /** What the application saw of a request over HTTPS. */
    async seen(path = "/", options: RequestOptions = {}): Promise<Seen> {
        const { status, body } = await this.ask(path, options);
        if (status !== 200) throw new Error(`${path} answered ${status}: ${body}`);
        return JSON.parse(body) as Seen;
    }

    /** Value of one of the agent's metrics, by its name with labels. */
    async metric(name: string): Promise<number | undefined> {
        const { body } = await this.plain("/metrics", this.agentPort);
        const line = body.split("\n").find((one) => one.startsWith(`${name} `));
        return line === undefined ? undefined : Number(line.slice(name.length));
    }

    private async startApplication(): Promise<Server> {
        const server = createServer((incoming, response) => {
            void textOf(incoming).then((body) => {
                const { method = "", url = "", headers } = incoming;
                if (url === "/ready") return response.writeHead(this.readyStatus).end("private".repeat(5000));
                if (url === "/redirect")
                    return response.writeHead(302, { location: `http://${headers.host}/next` }).end();
                const answer = () => response.end(JSON.stringify({ method, url, headers, body } satisfies Seen));
                response
                    .setHeader("content-type", "application/json")
                    .setHeader("strict-transport-security", "max-age=1");
                if (url !== "/slow") return answer();
                this.slowRequests += 1;
                return setTimeout(answer, 500);
            });
        });
        server.on("upgrade", (incoming: IncomingMessage, socket) => {
            const head = [
                "HTTP/1.1 101 Switching Protocols",
                `Upgrade: ${incoming.headers.upgrade}`,
                "Connection: Upgrade",
            ];
            socket.write(`${head.join("\r\n")}\r\n\r\n`);
            socket.pipe(socket);
        });
        server.listen(0, "127.0.0.1");
        await once(server, "listening");
        return server;
    }
}

type RequestOptions = AgentOptions & {
    method?: string;
    headers?: Record<string, string | string[]>;
    agent?: Agent | false;
    body?: string;
};

async function textOf(stream: IncomingMessage): Promise<string> {
    let text = "";
    for await (const chunk of stream.setEncoding("utf8")) text += chunk as string;
    return text;
}

async function freePorts(count: number): Promise<number[]> {
    const servers = await Promise.all(
        Array.from({ length: count }, async () => {
            const server = createTcpServer().listen(0, "127.0.0.1");
            await once(server, "listening");
            return server;
        }),
    );
    const ports = servers.map((server) => (server.address() as AddressInfo).port);
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    return ports;
}
