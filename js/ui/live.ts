/** A property that a person changes as well: it is compared with what the element has, not with what was last drawn. */
import { noChange } from "lit-html";
import { Directive, directive, type PropertyPart } from "lit-html/directive.js";

class Live extends Directive {
  render(_value: unknown) {
    return noChange;
  }

  override update({ element, name }: PropertyPart, [value]: [unknown]) {
    const properties = element as unknown as Record<string, unknown>;
    if (properties[name] !== value) properties[name] = value;
    return noChange;
  }
}

export const live = directive(Live);
