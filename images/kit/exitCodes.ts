/** Exit codes of every image; a second stop signal adds 128 plus its number. */
export const exitCodes = {
    /** Done, or stopped in order. */
    ok: 0,
    /** Failed while working, or still busy when the drain time was over. */
    failed: 1,
    /** Wrong command line (EX_USAGE). */
    usage: 64,
    /** Wrong or missing configuration (EX_CONFIG). */
    configuration: 78,
} as const;
