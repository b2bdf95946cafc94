/** IPv4 addresses as numbers, so that blocks and their exceptions can be added and subtracted. */

/** Numbers from `first` to `last`, both included: addresses, or ports. */
export interface Range {
    first: number;
    last: number;
}

/** An IPv4 address as a number; undefined for anything else, such as an IPv6 address. */
export function parseAddress(text: string): number | undefined {
    // Octets are decimal even with leading zeros: older API servers admitted them, and read them so.
    const octets = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
    if (!octets || octets.some((octet) => octet > 255)) return undefined;
    return octets.reduce((address, octet) => address * 256 + octet, 0);
}

/** The addresses of an IPv4 block such as `10.0.0.0/8`; undefined for anything else. */
export function parseBlock(cidr: string): Range | undefined {
    const [, base, bits] = /^([^/]+)\/(\d{1,2})$/.exec(cidr) ?? [];
    const address = base === undefined ? undefined : parseAddress(base);
    if (address === undefined || Number(bits) > 32) return undefined;
    const size = 2 ** (32 - Number(bits));
    const first = address - (address % size);
    return { first, last: first + size - 1 };
}

/** The same numbers as ascending ranges that neither overlap nor touch. */
export function merge(ranges: Range[]): Range[] {
    const merged: Range[] = [];
    for (const range of [...ranges].sort((a, b) => a.first - b.first)) {
        const previous = merged.at(-1);
        if (previous && range.first <= previous.last + 1) previous.last = Math.max(previous.last, range.last);
        else merged.push({ ...range });
    }
    return merged;
}

/** What is left of a range without the given ones. */
export function subtract(range: Range, without: Range[]): Range[] {
    const rest: Range[] = [];
    let first = range.first;
    for (const hole of merge(without)) {
        if (hole.last < first || hole.first > range.last) continue;
        if (hole.first > first) rest.push({ first, last: hole.first - 1 });
        first = hole.last + 1;
    }
    if (first <= range.last) rest.push({ first, last: range.last });
    return rest;
}

/** An address in dotted notation. */
export function formatAddress(address: number): string {
    return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}

/** A range in nft notation, one number alone when it is only one. */
export function formatRange({ first, last }: Range, format: (value: number) => string): string {
    return first === last ? format(first) : `${format(first)}-${format(last)}`;
}
