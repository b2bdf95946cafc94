/** Milliseconds per unit of a duration. */
const DURATION_UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Bytes per unit of a size, as Kubernetes quantities count: `k` is 1000, `Ki` is 1024. */
const SIZE_UNITS: Record<string, number> = {
    B: 1,
    k: 1e3,
    M: 1e6,
    G: 1e9,
    T: 1e12,
    Ki: 2 ** 10,
    Mi: 2 ** 20,
    Gi: 2 ** 30,
    Ti: 2 ** 40,
};

/** Milliseconds of a text such as `250ms`, `1.5s`, `2m` or `365d`; undefined when it is not one. */
export function parseDuration(text: string): number | undefined {
    return parseQuantity(text, DURATION_UNITS);
}

/** Bytes of a text such as `512k`, `64Mi` or `1Gi`; undefined when it is not one. */
export function parseSize(text: string): number | undefined {
    return parseQuantity(text, SIZE_UNITS);
}

/** Units of a duration and of a size, for messages. */
export const unitNames = { duration: listOf(DURATION_UNITS), size: listOf(SIZE_UNITS) };

function parseQuantity(text: string, units: Record<string, number>): number | undefined {
    const [, amount, unit] = /^(\d+(?:\.\d+)?)([A-Za-z]+)$/.exec(text) ?? [];
    if (unit === undefined || !Object.hasOwn(units, unit)) return undefined;
    const value = Math.round(Number(amount) * units[unit]);
    return Number.isSafeInteger(value) ? value : undefined;
}

function listOf(units: Record<string, number>): string {
    const names = Object.keys(units);
    return `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}
