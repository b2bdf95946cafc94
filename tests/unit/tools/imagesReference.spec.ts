import assert from "node:assert/strict";

import { parseReference } from "../../../tools/images/reference";

const DIGEST = `sha256:${"a1".repeat(32)}`;

describe("image references", () => {
    const cases: Record<string, { host: string; repository: string; tag?: string; digest?: string }> = {
        nginx: { host: "docker.io", repository: "library/nginx" },
        "docker.io/library/nginx:1.26.3": { host: "docker.io", repository: "library/nginx", tag: "1.26.3" },
        "registry.k8s.io/pause:3.10": { host: "registry.k8s.io", repository: "pause", tag: "3.10" },
        "localhost/tool": { host: "localhost", repository: "tool" },
        "distributed-patterns/node-base:24": {
            host: "docker.io",
            repository: "distributed-patterns/node-base",
            tag: "24",
        },
        [`127.0.0.1:5001/distributed-patterns/topz:x@${DIGEST}`]: {
            host: "127.0.0.1:5001",
            repository: "distributed-patterns/topz",
            tag: "x",
            digest: DIGEST,
        },
    };
    for (const [text, expected] of Object.entries(cases)) {
        it(`takes ${text.replace(DIGEST, "sha256:…")} apart`, () => {
            assert.deepEqual(parseReference(text), { tag: undefined, digest: undefined, ...expected });
        });
    }

    for (const text of ["", "Nginx", "nginx:", "a//b", "nginx@sha256:12", "http://host/nginx"]) {
        it(`refuses ${JSON.stringify(text)}, showing it`, () => {
            assert.throws(() => parseReference(text), {
                name: "UserError",
                message: new RegExp(`^"${text}" is not an image`),
            });
        });
    }
});
