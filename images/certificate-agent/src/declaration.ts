import { isIP } from "node:net";

import {
    Config,
    ConfigOf,
    defineImage,
    duration,
    enumeration,
    integer,
    list,
    listenParameters,
    Parameters,
    size,
    string,
    TextRule,
} from "../../kit";

// These values become part of nginx's configuration, where space, quotes, `;` and `$` have a meaning.
const plainPath: TextRule = {
    allowed: "an absolute path of letters, digits, and . _ - /",
    accepts: (text) => /^\/[\w./-]*$/.test(text),
};
const urlPath: TextRule = {
    allowed: "a path with optional query, such as /healthz",
    accepts: (text) => /^\/[\w./~%!*+,:@?=&-]*$/.test(text),
};
const addressRange: TextRule = { allowed: "an IP address or CIDR range such as 10.0.0.0/8", accepts: isAddressRange };

const nginxParameters = {
    APP_PORT: integer({ default: 8080, min: 1, max: 65535, meaning: "Port of the application on 127.0.0.1." }),
    READINESS_PATH: string({
        default: "/",
        rule: urlPath,
        meaning: "Path of the application that answers below 400 when it wants traffic.",
    }),
    LISTEN_ADDRESSES: list({
        default: ["0.0.0.0"],
        rule: {
            allowed: "an IPv4 address or an IPv6 address in brackets, such as [::]",
            accepts: (text) => isIP(text) === 4 || isIP(/^\[(.*)\]$/.exec(text)?.[1] ?? "") === 6,
        },
        meaning: "Addresses on which nginx listens.",
    }),
    HTTPS_PORT: integer({ default: 8443, min: 1, max: 65535, meaning: "Port of nginx for HTTPS." }),
    HTTP_PORT: integer({
        default: 8081,
        min: 1,
        max: 65535,
        meaning: "Port of nginx for probes and for plain HTTP, which is redirected to HTTPS.",
    }),
    PUBLIC_HTTPS_PORT: integer({
        default: 443,
        min: 1,
        max: 65535,
        meaning: "Port in redirects to HTTPS and in X-Forwarded-Port: the one that clients use.",
    }),
    MINIMUM_TLS: enumeration({
        values: ["1.2", "1.3"],
        default: "1.2",
        meaning: "Oldest TLS version that is accepted.",
    }),
    HSTS_MAX_AGE: duration({
        default: "365d",
        meaning: "max-age of Strict-Transport-Security on HTTPS answers; 0s leaves the header to the application.",
    }),
    MAX_BODY_SIZE: size({
        default: "10Mi",
        min: "1B",
        meaning: "Largest request body; a larger one is answered with 413.",
    }),
    UPSTREAM_TIMEOUT: duration({
        default: "60s",
        min: "1ms",
        meaning: "Longest silence of the application, also on an upgraded connection.",
    }),
    UPSTREAM_IDLE_TIMEOUT: duration({
        default: "4s",
        min: "1ms",
        meaning: "Time that an idle connection to the application is kept; less than the application keeps it itself.",
    }),
    TRUSTED_PROXIES: list({
        default: [],
        rule: addressRange,
        meaning:
            "Peers whose X-Forwarded-For, -Host, -Port and Forwarded are continued; those of all others are replaced.",
    }),
    CLIENT_CERTIFICATE: enumeration({
        values: ["off", "optional", "required"],
        default: "off",
        meaning: "Whether clients show a certificate; one of an unknown CA is refused by optional too.",
    }),
    CLIENT_CA_FILE: string({
        default: "/etc/https/client-ca/ca.crt",
        rule: plainPath,
        meaning: "PEM file in nginx's container with the CAs of client certificates; read when nginx starts.",
    }),
    WORKER_PROCESSES: integer({ default: 1, min: 1, max: 256, meaning: "Worker processes of nginx." }),
    WORKER_CONNECTIONS: integer({
        default: 4096,
        min: 64,
        max: 1_000_000,
        meaning: "Connections of one worker; a proxied request takes two.",
    }),
    WORKER_SHUTDOWN_TIMEOUT: duration({
        default: "20s",
        min: "1ms",
        meaning: "Time that requests in flight have to finish after SIGQUIT.",
    }),
    TEMP_DIR: string({ default: "/tmp", rule: plainPath, meaning: "Writable folder in nginx's container." }),
    NGINX_VERSION: string({
        default: "1.26",
        rule: { allowed: "a version such as 1.26 or 1.22.1", accepts: (text) => /^\d+\.\d+(\.\d+)?$/.test(text) },
        meaning: "Version of nginx, 1.22 or newer, for directives that changed.",
    }),
    NJS_MODULE: string({
        default: "/usr/lib/nginx/modules/ngx_http_js_module.so",
        rule: plainPath,
        meaning: "nginx's njs module in nginx's container.",
    }),
} satisfies Parameters;

export const declaration = defineImage({
    name: "certificate-agent",
    version: "1.0.0",
    summary: "Keeps the certificate of an nginx HTTPS sidecar current, without reloading nginx.",
    ports: { http: { host: "HOST", port: "PORT", meaning: "Health and metrics." } },
    parameters: {
        ...listenParameters({ host: "0.0.0.0", port: 8082 }),
        RUN_DIR: string({
            default: "/run/https",
            rule: plainPath,
            meaning: "Memory-backed folder shared with nginx: its configuration and the certificates.",
        }),
        SOURCE: enumeration({
            values: ["api", "volume"],
            default: "volume",
            meaning:
                "Where the certificate is read: a watch of the Secret, or a mounted Secret, which lags up to 90 s.",
        }),
        SECRET_NAME: string({
            default: "",
            meaning: "Secret of type kubernetes.io/tls in this namespace, for SOURCE=api.",
        }),
        SECRET_DIR: string({
            default: "/etc/https/certificate",
            rule: plainPath,
            meaning: "Folder with tls.crt and tls.key, for SOURCE=volume.",
        }),
        ...nginxParameters,
    },
});

/** What nginx's configuration depends on. */
export type NginxConfig = Config<typeof nginxParameters> & { readonly RUN_DIR: string };

export type AgentConfig = ConfigOf<typeof declaration>;

function isAddressRange(text: string): boolean {
    const [address, bits, ...more] = text.split("/");
    const version = isIP(address);
    if (version === 0 || more.length > 0) return false;
    return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}
