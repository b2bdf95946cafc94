import { NginxConfig } from "./declaration";
import { APPLICATION_READINESS, healthPaths } from "./script";

/** Forward-secret AEAD suites of TLS 1.2; those of TLS 1.3 are all good and not set here. */
const CIPHERS = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/**
 * Headers that say who the client is or how it came. A client's own are never passed on: nginx drops a header that is
 * set to an empty value. (Spellings with `_` are dropped by nginx's `underscores_in_headers off`.)
 */
const FORGEABLE_HEADERS = [
    "X-Forwarded",
    "X-Forwarded-By",
    "X-Forwarded-Prefix",
    "X-Forwarded-Scheme",
    "X-Forwarded-Server",
    "X-Forwarded-Ssl",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Original-Forwarded-For",
    "X-Original-Host",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Url-Scheme",
    "True-Client-IP",
    "CF-Connecting-IP",
    "Fastly-Client-IP",
    "Front-End-Https",
    // Becomes the variable HTTP_PROXY in CGI-like applications.
    "Proxy",
];

const CLIENT_CERTIFICATE_HEADERS = {
    Verify: "$ssl_client_verify",
    Subject: "$ssl_client_s_dn",
    Issuer: "$ssl_client_i_dn",
    Serial: "$ssl_client_serial",
    Fingerprint: "$ssl_client_fingerprint",
    "Not-After": "$ssl_client_v_end",
};

/**
 * nginx's configuration. It never changes after the start of the pod: a new certificate is found through
 * `$certificate_version` by the next handshake, because a reload would close idle keep-alive connections under
 * requests that clients are just sending.
 */
export function renderNginxConfig(config: NginxConfig): string {
    return [
        `load_module ${config.NJS_MODULE};`,
        "daemon off;",
        `pid ${config.TEMP_DIR}/nginx.pid;`,
        "error_log stderr warn;",
        `worker_processes ${config.WORKER_PROCESSES};`,
        `worker_shutdown_timeout ${config.WORKER_SHUTDOWN_TIMEOUT}ms;`,
        "",
        "events {",
        `    worker_connections ${config.WORKER_CONNECTIONS};`,
        "}",
        "",
        "http {",
        ...indent([
            ...general(config),
            "",
            ...accessLog(),
            "",
            ...identityOfClient(config),
            "",
            ...variables(config),
            "",
            "upstream application {",
            `    server 127.0.0.1:${config.APP_PORT};`,
            "    keepalive 32;",
            `    keepalive_timeout ${config.UPSTREAM_IDLE_TIMEOUT}ms;`,
            "}",
            "",
            ...httpsServer(config),
            "",
            ...httpServer(config),
        ]),
        "}",
        "",
    ].join("\n");
}

function general(config: NginxConfig): string[] {
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    return [
        "server_tokens off;",
        "default_type text/plain;",
        ...temporary.map((kind) => `${kind}_temp_path ${config.TEMP_DIR}/${kind};`),
        "client_header_timeout 10s;",
        "client_body_timeout 30s;",
        `client_max_body_size ${config.MAX_BODY_SIZE};`,
        `js_import sidecar from ${config.RUN_DIR}/sidecar.js;`,
        "js_set $certificate_version sidecar.certificateVersion;",
    ];
}

function accessLog(): string[] {
    const fields = {
        time: "$time_iso8601",
        level: "info",
        msg: "request",
        traceId: "$trace_id",
        client: "$remote_addr",
        method: "$request_method",
        host: "$http_host",
        // Without the query, which may hold secrets.
        path: "$uri",
        protocol: "$server_protocol",
        status: "$status",
        bytes: "$bytes_sent",
        seconds: "$request_time",
        upstreamSeconds: "$upstream_response_time",
        tls: "$ssl_protocol",
        clientCertificate: "$ssl_client_verify",
        userAgent: "$http_user_agent",
    };
    const numbers = ["status", "bytes", "seconds"];
    const members = Object.entries(fields).map(([name, value]) =>
        numbers.includes(name) ? `"${name}":${value}` : `"${name}":"${value}"`,
    );
    return [`log_format json escape=json '{${members.join(",")}}';`, "access_log /dev/stdout json;"];
}

/** `$remote_addr` is the client's address, `$realip_remote_addr` that of the peer, which may be a trusted proxy. */
function identityOfClient(config: NginxConfig): string[] {
    return [
        ...config.TRUSTED_PROXIES.map((range) => `set_real_ip_from ${range};`),
        "real_ip_header X-Forwarded-For;",
        "real_ip_recursive on;",
        ...block("geo $realip_remote_addr $peer_is_trusted", [
            "default 0;",
            ...config.TRUSTED_PROXIES.map((range) => `${range} 1;`),
        ]),
    ];
}

function variables(config: NginxConfig): string[] {
    const hop = 'for=$peer_node;host=\\"$http_host\\";proto=https';
    return [
        // Only what a host name can hold: the value goes into quoted headers and into redirects.
        ...map("$http_host", "$host_is_valid", { default: "0", "~^[A-Za-z0-9._:\\[\\]-]+$": "1" }),
        ...map("$realip_remote_addr", "$peer_node", {
            default: "$realip_remote_addr",
            "~:": '\\"[$realip_remote_addr]\\"',
        }),
        ...continued("x_forwarded_for", "$realip_remote_addr", "$given, $realip_remote_addr"),
        ...continued("x_forwarded_host", "$http_host", "$given"),
        ...continued("x_forwarded_port", String(config.PUBLIC_HTTPS_PORT), "$given"),
        ...continued("forwarded", hop, `$given, ${hop}`),
        // Other protocols, such as h2c, would let a client tunnel past this proxy's rules.
        ...map("$http_upgrade", "$upgrade", { default: "", "~*^websocket$": "websocket" }),
        ...map("$upgrade", "$connection_header", { default: "", websocket: "upgrade" }),
        // RFC 6797: the header belongs to secure answers only, not to those that tell of plain HTTP on this port.
        ...map("$https", "$strict_transport_security", {
            default: "",
            on: config.HSTS_MAX_AGE > 0 ? `max-age=${Math.floor(config.HSTS_MAX_AGE / 1000)}` : "",
        }),
        ...map("$request_id", "$new_span_id", { default: "", "~^(?<span>.{16})": "$span" }),
        ...map("$http_traceparent", "$trace_id", { default: "$request_id", [TRACE_PARENT]: "$trace" }),
        ...map("$http_traceparent", "$trace_parent", {
            default: "00-$request_id-$new_span_id-01",
            [TRACE_PARENT]: "$http_traceparent",
        }),
    ];
}

const TRACE_PARENT = "~^[0-9a-f]{2}-(?!0{32})(?<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}";

/** `$next_<header>`: a trusted proxy's header continued, anyone else's replaced. */
function continued(header: string, own: string, next: string): string[] {
    return map(`"$peer_is_trusted:$http_${header}"`, `$next_${header}`, { default: own, "~^1:(?<given>.+)$": next });
}

function httpsServer(config: NginxConfig): string[] {
    const directory = `${config.RUN_DIR}/certificates/$certificate_version`;
    const [major, minor, patch = 0] = config.NGINX_VERSION.split(".").map(Number);
    const http2Directive = major * 1e6 + minor * 1e3 + patch >= 1_025_001;
    return block("server", [
        ...config.LISTEN_ADDRESSES.map(
            (address) => `listen ${address}:${config.HTTPS_PORT} ssl${http2Directive ? "" : " http2"} default_server;`,
        ),
        ...(http2Directive ? ["http2 on;"] : []),
        `ssl_certificate ${directory}/tls.crt;`,
        `ssl_certificate_key ${directory}/tls.key;`,
        `ssl_protocols ${config.MINIMUM_TLS === "1.3" ? "TLSv1.3" : "TLSv1.2 TLSv1.3"};`,
        `ssl_ciphers ${CIPHERS};`,
        "ssl_prefer_server_ciphers off;",
        // A resumed session would show the old certificate and skip the check of the client's.
        "ssl_session_cache off;",
        "ssl_session_tickets off;",
        ...(config.CLIENT_CERTIFICATE === "off"
            ? []
            : [
                  `ssl_client_certificate ${config.CLIENT_CA_FILE};`,
                  `ssl_verify_client ${config.CLIENT_CERTIFICATE === "required" ? "on" : "optional"};`,
                  "ssl_verify_depth 3;",
              ]),
        "add_header Strict-Transport-Security $strict_transport_security always;",
        // Plain HTTP on the HTTPS port.
        `error_page 497 =308 ${httpsUrl(config)};`,
        "if ($host_is_valid = 0) { return 400; }",
        ...proxy(config),
        ...block("location /", [
            // A pod that ends gives each kept connection up with its next answer, so that the client opens its next one
            // to another pod. (HTTP/2 clients are told by GOAWAY when nginx itself is told to end.)
            "error_page 418 = @ending;",
            `if (-f ${drainingFile(config)}) { return 418; }`,
            "proxy_pass http://application;",
        ]),
        ...block("location @ending", ["keepalive_timeout 0;", "proxy_pass http://application;"]),
    ]);
}

/** A file whose presence says that the pod is about to end; the pod's `preStop` hook makes it. */
export function drainingFile({ RUN_DIR }: Pick<NginxConfig, "RUN_DIR">): string {
    return `${RUN_DIR}/draining`;
}

function proxy(config: NginxConfig): string[] {
    const headers: Record<string, string> = {
        Host: "$http_host",
        Connection: "$connection_header",
        Upgrade: "$upgrade",
        "X-Real-IP": "$remote_addr",
        "X-Forwarded-For": "$next_x_forwarded_for",
        "X-Forwarded-Host": "$next_x_forwarded_host",
        "X-Forwarded-Port": "$next_x_forwarded_port",
        "X-Forwarded-Proto": "https",
        Forwarded: "$next_forwarded",
        traceparent: "$trace_parent",
    };
    for (const name of FORGEABLE_HEADERS) headers[name] = '""';
    for (const [name, value] of Object.entries(CLIENT_CERTIFICATE_HEADERS)) {
        headers[`X-Client-Certificate-${name}`] = config.CLIENT_CERTIFICATE === "off" ? '""' : value;
    }
    return [
        "proxy_http_version 1.1;",
        ...Object.entries(headers).map(([name, value]) => `proxy_set_header ${name} ${value};`),
        "proxy_connect_timeout 5s;",
        `proxy_send_timeout ${config.UPSTREAM_TIMEOUT}ms;`,
        `proxy_read_timeout ${config.UPSTREAM_TIMEOUT}ms;`,
        // An application that does not know of HTTPS redirects to its own plain address.
        "proxy_redirect http://$http_host/ https://$http_host/;",
        ...(config.HSTS_MAX_AGE > 0 ? ["proxy_hide_header Strict-Transport-Security;"] : []),
    ];
}

function httpServer(config: NginxConfig): string[] {
    return block("server", [
        ...config.LISTEN_ADDRESSES.map((address) => `listen ${address}:${config.HTTP_PORT} default_server;`),
        "if ($host_is_valid = 0) { return 400; }",
        ...block(`location = ${healthPaths.live}`, ["access_log off;", 'return 200 "live\\n";']),
        ...block(`location = ${healthPaths.ready}`, ["access_log off;", "js_content sidecar.ready;"]),
        ...block(`location = ${APPLICATION_READINESS}`, [
            "internal;",
            `proxy_pass http://application${config.READINESS_PATH};`,
            "proxy_method GET;",
            "proxy_http_version 1.1;",
            'proxy_set_header Connection "";',
            "proxy_set_header Host localhost;",
            "proxy_connect_timeout 1s;",
            "proxy_read_timeout 5s;",
        ]),
        ...block("location /", [`return 308 ${httpsUrl(config)};`]),
    ]);
}

function httpsUrl(config: NginxConfig): string {
    return `https://$host${config.PUBLIC_HTTPS_PORT === 443 ? "" : `:${config.PUBLIC_HTTPS_PORT}`}$request_uri`;
}

function map(source: string, variable: string, values: Record<string, string>): string[] {
    const lines = Object.entries(values).map(([key, value]) =>
        key === "default" ? `default "${value}";` : `"${key}" "${value}";`,
    );
    return block(`map ${source} ${variable}`, lines);
}

function block(head: string, lines: string[]): string[] {
    return [`${head} {`, ...indent(lines), "}"];
}

function indent(lines: string[]): string[] {
    return lines.map((line) => line && `    ${line}`);
}
