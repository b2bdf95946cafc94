import type { NginxConfig } from "./declaration";

/** Answered on the HTTP port by nginx itself: liveness, and readiness of certificate and application together. */
export const healthPaths = {
    live: "/.well-known/https-sidecar/livez",
    ready: "/.well-known/https-sidecar/readyz",
};

/** Asked by the njs function `ready` only. */
export const APPLICATION_READINESS = "/.well-known/https-sidecar/application";

/** The njs module beside nginx's configuration. */
export function renderScript(config: NginxConfig): string {
    return `import fs from "fs";

const current = ${JSON.stringify(`${config.RUN_DIR}/certificates/current`)};

// Evaluated once per handshake: nginx keeps the value for both paths, so that certificate and key belong together.
function certificateVersion() {
    return fs.realpathSync(current).split("/").pop();
}

// Answers with the status alone: the application's own readiness page may not be for everyone.
async function ready(r) {
    try {
        certificateVersion();
    } catch (error) {
        return r.return(503, "no certificate yet\\n");
    }
    const reply = await r.subrequest("${APPLICATION_READINESS}", { method: "HEAD" });
    if (reply.status >= 200 && reply.status < 400) return r.return(200, "ready\\n");
    r.return(503, "the application answers " + reply.status + "\\n");
}

export default { certificateVersion, ready };
`;
}
