/** A failure that the person at the keyboard can mend: shown as one line, without a stack trace. */
export class UserError extends Error {
    /**
     * @param problem what is wrong, naming the thing and the value given
     * @param remedy the one command or change that mends it
     */
    constructor(problem: string, remedy?: string) {
        super(remedy ? `${problem}; ${remedy}` : problem);
        this.name = "UserError";
    }
}

/** True when `error` is a Node system error with this code, such as `ENOENT`. */
export function hasCode(error: unknown, code: string): boolean {
    return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
    return error instanceof Error ? error.message : String(error);
}
