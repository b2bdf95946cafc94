import type { types } from "@pulumi/kubernetes";

import { ResourceArgs, resourcesOf } from "../core/resources";
import {
    refuse,
    requireAddressRange,
    requireDuration,
    requireOneOf,
    requirePath,
    requirePort,
    requireSize,
    requireWholeNumber,
} from "../core/validate";

/** How nginx serves an application over HTTPS. */
export interface HttpsProxyArgs {
    /** Path of the application that answers 2xx or 3xx when it can serve; part of the pod's readiness. Default: `/readyz`. */
    readinessPath?: string;
    /** Oldest TLS version that is accepted, `1.2` or `1.3`. Default: `1.2`. */
    minimumTls?: string;
    /** `max-age` of Strict-Transport-Security, a time such as `365d`; `0s` sends no such header. Default: `365d`. */
    hstsMaxAge?: string;
    /** Whether clients show a certificate of the client CA: `off`, `optional` or `required`. Default: `off`. */
    clientCertificate?: string;
    /** Addresses or CIDR ranges of proxies whose forwarding headers are believed. Default: none. */
    trustedProxies?: string[];
    /** Largest request body, in bytes, such as `10Mi`. Default: `10Mi`. */
    maxBodySize?: string;
    /** How long the application may stay silent within an answer, a time such as `60s`. Default: `60s`. */
    upstreamTimeout?: string;
    /** Port for HTTPS, 1024 to 65535. Default: 8443. */
    httpsPort?: number;
    /** Port for probes, and for plain HTTP, which is redirected. Default: 8081. */
    httpPort?: number;
    /** Port of the certificate agent's own health and metrics. Default: 8082. */
    agentPort?: number;
    /** Resources of nginx. Default: requests of `10m` and `16Mi`, a limit of `64Mi`. */
    nginxResources?: ResourceArgs;
    /** Resources of the certificate agent. Default: requests of `10m` and `64Mi`, a limit of `128Mi`. */
    agentResources?: ResourceArgs;
}

/** Ports of the sidecar, all on the pod's address. */
export interface HttpsPorts {
    readonly httpsPort: number;
    readonly httpPort: number;
    readonly agentPort: number;
}

type Resources = types.input.core.v1.ResourceRequirements;

const CLIENT_CERTIFICATES = ["off", "optional", "required"] as const;
const AGENT_RESOURCES = { cpuRequest: "10m", memoryRequest: "64Mi", memoryLimit: "128Mi" };
const NGINX_RESOURCES = { cpuRequest: "10m", memoryRequest: "16Mi", memoryLimit: "64Mi" };

/** Settings of the sidecar that have been checked. */
export interface HttpsProxySettings {
    readonly ports: HttpsPorts;
    readonly clientCertificate: (typeof CLIENT_CERTIFICATES)[number];
    /** Environment of the certificate agent, which renders them; what is left to the image's defaults is absent. */
    readonly environment: Record<string, string>;
    readonly agentResources: Resources;
    readonly nginxResources: Resources;
}

/** Checks how nginx serves the application on `port`; `owner` is named in messages. */
export function httpsProxySettings(owner: string, port = 8080, proxy: HttpsProxyArgs = {}): HttpsProxySettings {
    const ports = distinctPorts(owner, port, proxy);
    const { readinessPath = "/readyz", minimumTls, hstsMaxAge, trustedProxies, maxBodySize, upstreamTimeout } = proxy;
    const clientCertificate = requireOneOf(
        owner,
        "proxy.clientCertificate",
        proxy.clientCertificate ?? "off",
        CLIENT_CERTIFICATES,
    );
    requirePath(owner, "proxy.readinessPath", readinessPath);
    if (minimumTls !== undefined) requireOneOf(owner, "proxy.minimumTls", minimumTls, ["1.2", "1.3"]);
    if (hstsMaxAge !== undefined) requireDuration(owner, "proxy.hstsMaxAge", hstsMaxAge, "0s", "3650d");
    if (maxBodySize !== undefined) requireSize(owner, "proxy.maxBodySize", maxBodySize);
    if (upstreamTimeout !== undefined) requireDuration(owner, "proxy.upstreamTimeout", upstreamTimeout, "1ms", "24h");
    for (const range of trustedProxies ?? []) requireAddressRange(owner, "proxy.trustedProxies", range);

    const environment = {
        APP_PORT: String(port),
        HTTPS_PORT: String(ports.httpsPort),
        HTTP_PORT: String(ports.httpPort),
        PORT: String(ports.agentPort),
        READINESS_PATH: readinessPath,
        CLIENT_CERTIFICATE: clientCertificate,
        ...(minimumTls !== undefined && { MINIMUM_TLS: minimumTls }),
        ...(hstsMaxAge !== undefined && { HSTS_MAX_AGE: hstsMaxAge }),
        ...(trustedProxies !== undefined && { TRUSTED_PROXIES: trustedProxies.join(",") }),
        ...(maxBodySize !== undefined && { MAX_BODY_SIZE: maxBodySize }),
        ...(upstreamTimeout !== undefined && { UPSTREAM_TIMEOUT: upstreamTimeout }),
    };
    return {
        ports,
        clientCertificate,
        environment,
        agentResources: resourcesOf(owner, "proxy.agentResources", proxy.agentResources, AGENT_RESOURCES),
        nginxResources: resourcesOf(owner, "proxy.nginxResources", proxy.nginxResources, NGINX_RESOURCES),
    };
}

function distinctPorts(owner: string, port: number, proxy: HttpsProxyArgs): HttpsPorts {
    const owners = new Map([[requireWholeNumber(owner, "port", port, 1, 65535), "port"]]);
    const checked = (name: keyof HttpsPorts, defaultPort: number) => {
        const argument = `proxy.${name}`;
        const value = requirePort(owner, argument, proxy[name] ?? defaultPort);
        const other = owners.get(value);
        if (other)
            refuse(owner, argument, value, `a port other than \`${other}\`; containers of a pod share one address`);
        owners.set(value, argument);
        return value;
    };
    return {
        httpsPort: checked("httpsPort", 8443),
        httpPort: checked("httpPort", 8081),
        agentPort: checked("agentPort", 8082),
    };
}
