/**
 * Chooses a media type by an Accept header (RFC 9110, 12.5.1): the greatest quality wins, a type named exactly counts
 * before its range, and of equals the first offered.
 *
 * @returns undefined when none of the offered types is acceptable
 */
export function preferredType<T extends string>(accept: string | undefined, offered: readonly T[]): T | undefined {
    const ranges = (accept?.trim() || "*/*").split(",").map(parseRange);
    let best: { type: T; quality: number } | undefined;
    for (const type of offered) {
        const matching = ranges.filter(({ range }) => specificity(range, type) > 0);
        const [closest] = matching.sort((a, b) => specificity(b.range, type) - specificity(a.range, type));
        const quality = closest?.quality ?? 0;
        if (quality > (best?.quality ?? 0)) best = { type, quality };
    }
    return best?.type;
}

function parseRange(text: string): { range: string; quality: number } {
    const [range, ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
    const quality = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
    return { range, quality: quality === undefined ? 1 : Number(quality) || 0 };
}

/** How closely a range names a type: 3 itself, 2 `text/*`, 1 any, 0 not at all. */
function specificity(range: string, type: string): number {
    if (range === type) return 3;
    if (range === `${type.split("/")[0]}/*`) return 2;
    return range === "*/*" ? 1 : 0;
}
