import { createHash } from "node:crypto";

import { formatAddress, formatRange, merge, Range } from "./addresses";

/** The one table that holds the rules; no other is touched. */
export const TABLE = "inet dp_network_policy";

export type Direction = "ingress" | "egress";

/**
 * Collects sets, chains and the pods they apply to, and prints them as one nft transaction that replaces the table.
 * Sets and chains are named by their content: what is equal is there once, so the replicas of a workload share a chain,
 * and a packet costs two map look-ups however many pods there are.
 */
export class Ruleset {
    private readonly objects = new Map<string, string[]>();
    private readonly isolated = { ingress: new Map<number, string>(), egress: new Map<number, string>() };

    /** Name of a set of single addresses. */
    addresses(addresses: number[]): string {
        return this.set("pods", "type ipv4_addr;", [...new Set(addresses)].sort((a, b) => a - b).map(formatAddress));
    }

    /** Name of a set of address ranges. */
    ranges(ranges: Range[]): string {
        const elements = merge(ranges).map((range) => formatRange(range, formatAddress));
        return this.set("blocks", "type ipv4_addr; flags interval;", elements);
    }

    /** Name of a set of pairs of address and port. */
    sockets(sockets: { address: number; port: number }[]): string {
        const sorted = [...sockets].sort((a, b) => a.address - b.address || a.port - b.port);
        const elements = sorted.map(({ address, port }) => `${formatAddress(address)} . ${port}`);
        return this.set("sockets", "type ipv4_addr . inet_service;", [...new Set(elements)]);
    }

    /** Drops every connection to (ingress) or from (egress) an address that none of `rules` lets return. */
    isolate(direction: Direction, address: number, rules: string[]): void {
        const name = this.add("chain", direction, [...rules, "counter drop"]);
        this.isolated[direction].set(address, name);
    }

    /** How many addresses are isolated in one direction or both. */
    get isolatedCount(): number {
        return new Set([...this.isolated.ingress.keys(), ...this.isolated.egress.keys()]).size;
    }

    toString(): string {
        const own = [...new Set([...this.isolated.ingress.keys(), ...this.isolated.egress.keys()])].sort(
            (a, b) => a - b,
        );
        const blocks = [
            ...[...this.objects].sort(([a], [b]) => (a < b ? -1 : 1)).map(([head, body]) => block(head, body)),
            block("set self", [
                "type ipv4_addr . ipv4_addr;",
                ...elements(own.map(formatAddress).map((address) => `${address} . ${address}`)),
            ]),
            ...(["egress", "ingress"] as const).map((direction) =>
                block(`map ${direction}`, [
                    "type ipv4_addr : verdict;",
                    ...elements(
                        [...this.isolated[direction]].map(
                            ([address, chain]) => `${formatAddress(address)} : jump ${chain}`,
                        ),
                    ),
                ]),
            ),
            block("chain forward", [
                "type filter hook forward priority filter; policy accept;",
                "ct state established,related accept",
                // A pod that reaches itself through its Service is routed back to it; policies never cut that.
                "ip saddr . ip daddr @self accept",
                "ip saddr vmap @egress",
                "ip daddr vmap @ingress",
            ]),
        ];
        // Naming the table first creates it, so that the deletion succeeds the first time too.
        return [`table ${TABLE}`, `delete table ${TABLE}`, block(`table ${TABLE}`, blocks), ""].join("\n");
    }

    private set(prefix: string, type: string, members: string[]): string {
        return this.add("set", prefix, [type, ...elements(members)]);
    }

    private add(kind: "set" | "chain", prefix: string, body: string[]): string {
        const name = `${prefix}_${createHash("sha256").update(body.join("\n")).digest("hex").slice(0, 16)}`;
        this.objects.set(`${kind} ${name}`, body);
        return name;
    }
}

function block(head: string, body: string[]): string {
    return [`${head} {`, ...body.map((part) => part.replace(/^/gm, "    ")), "}"].join("\n");
}

function elements(members: string[]): string[] {
    return members.length ? [`elements = { ${members.join(", ")} };`] : [];
}
