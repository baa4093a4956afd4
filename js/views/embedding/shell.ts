import { Shell as AnyShell } from "../../ui/shell.js";

export class Shell extends AnyShell<"help" | "card" | "code"> {}
