import { isIP } from "node:net";

import * as pulumi from "@pulumi/pulumi";

/**
 * Refuses an argument.
 *
 * @param allowed what to give instead, as the rest of a sentence that starts with "give"
 * @throws pulumi.RunError naming the component, the argument, what was given and what is allowed
 */
export function refuse(component: string, argument: string, given: unknown, allowed: string): never {
    const text = given === undefined ? "missing" : JSON.stringify(given);
    throw new pulumi.RunError(`${component}: \`${argument}\` is ${text}; give ${allowed}`);
}

/** Refuses a number that is not a whole number in `[min, max]`. */
export function requireWholeNumber(
    component: string,
    argument: string,
    given: unknown,
    min: number,
    max: number,
): number {
    if (typeof given === "number" && Number.isInteger(given) && given >= min && given <= max) return given;
    return refuse(component, argument, given, `a whole number from ${min} to ${max}`);
}

/** Refuses a port that a container without privileges cannot serve. */
export function requirePort(component: string, argument: string, given: number): number {
    return requireWholeNumber(component, argument, given, 1024, 65535);
}

/** Refuses a text that is none of `values`. */
export function requireOneOf<V extends string>(
    component: string,
    argument: string,
    given: string,
    values: readonly V[],
): V {
    return values.find((value) => value === given) ?? refuse(component, argument, given, `one of ${values.join(", ")}`);
}

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** Refuses a text that cannot name a Service, a Namespace or a container. */
export function requireDnsLabel(component: string, argument: string, given: string): string {
    if (DNS_LABEL.test(given)) return given;
    return refuse(component, argument, given, "a DNS label: 1 to 63 of a-z, 0-9 and -, a letter or digit at both ends");
}

/** Refuses a text that is not a host name; the first label may be `*`, as certificates allow. */
export function requireHostName(component: string, argument: string, given: string): string {
    const labels = given.replace(/^\*\./, "").split(".");
    if (given.length <= 253 && labels.every((label) => DNS_LABEL.test(label))) return given;
    return refuse(component, argument, given, "a host name such as `shop.example.com` or `*.example.com`");
}

const SECONDS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of a text such as `250ms`, `1.5s`, `2m`, `12h` or `90d`; undefined when it is not one. */
export function secondsOf(text: string): number | undefined {
    const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
    return unit === undefined ? undefined : Number(amount) * SECONDS[unit];
}

/** Refuses a text that is not a time with its unit, from `min` to `max`. */
export function requireDuration(component: string, argument: string, given: string, min: string, max: string): string {
    const seconds = secondsOf(given);
    if (seconds !== undefined && seconds >= secondsOf(min)! && seconds <= secondsOf(max)!) return given;
    return refuse(component, argument, given, `a time with its unit (ms, s, m, h, d) from ${min} to ${max}`);
}

const DECIMAL = { "": 1, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12 };
const BINARY = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 };
const FACTORS: Record<string, number> = { ...DECIMAL, ...BINARY };

/** Value of a Kubernetes quantity such as `250m`, `0.5` or `64Mi`; undefined when it is not one. */
export function quantityOf(text: string): number | undefined {
    const [, amount, unit] = /^(\d+(?:\.\d+)?)(m|[kMGT]|[KMGT]i|)$/.exec(text) ?? [];
    return unit === undefined ? undefined : Number(amount) * FACTORS[unit];
}

/** Refuses a text that is not a Kubernetes quantity above 0. */
export function requireQuantity(component: string, argument: string, given: string, example: string): string {
    if ((quantityOf(given) ?? 0) > 0) return given;
    return refuse(component, argument, given, `a quantity above 0 such as \`${example}\``);
}

/** Refuses a text that is not an amount of data with its unit; a bare number could mean anything. */
export function requireSize(component: string, argument: string, given: string): string {
    if (/[kMGT]i?$/.test(given) && (quantityOf(given) ?? 0) > 0) return given;
    return refuse(
        component,
        argument,
        given,
        "an amount of data with its unit (k, M, G, T, Ki, Mi, Gi, Ti) such as `10Mi`",
    );
}

/** Refuses a text that is neither an IP address nor a range of them. */
export function requireAddressRange(component: string, argument: string, given: string): string {
    const [address, bits = "0", ...rest] = given.split("/");
    const longest = isIP(address) === 6 ? 128 : 32;
    if (isIP(address) !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= longest && rest.length === 0) return given;
    return refuse(component, argument, given, "an IP address or a range such as `10.0.0.0/8`");
}

const REPOSITORY = /^[a-z0-9]+([._:/-]+[a-z0-9]+)*$/i;

/** Refuses an image reference that can change its meaning unnoticed: no digest, and no tag or the tag `latest`. */
export function requireImage(component: string, argument: string, given: string): string {
    const [, repository, tag] = /^(.+?)(:[^:/@]+)?(?:@sha256:[0-9a-f]{64})?$/.exec(given) ?? [];
    const pinned = given.includes("@") || (tag !== undefined && tag !== ":latest");
    if (pinned && repository !== undefined && !repository.includes("@") && REPOSITORY.test(repository)) return given;
    return refuse(
        component,
        argument,
        given,
        "an image by digest, `repository@sha256:…`, or by a tag other than `latest`",
    );
}

/** Refuses a text that is not an absolute HTTP path. */
export function requirePath(component: string, argument: string, given: string): string {
    if (/^\/[\w\-./~%]*$/.test(given)) return given;
    return refuse(component, argument, given, "an absolute path such as `/readyz`");
}

/**
 * Applies a check to an input: at once when all of it is plain, so that a mistake is reported before any child exists;
 * otherwise when it becomes known.
 */
export function whenKnown<T>(input: pulumi.Input<T>, check: (value: pulumi.Unwrap<T>) => unknown): pulumi.Input<T> {
    if (isPlain(input)) {
        check(input as pulumi.Unwrap<T>);
        return input;
    }
    return pulumi.output(input).apply((value) => {
        check(value);
        return value as T;
    });
}

function isPlain(value: unknown): boolean {
    if (pulumi.Output.isInstance(value) || value instanceof Promise) return false;
    return typeof value !== "object" || value === null || Object.values(value).every(isPlain);
}
