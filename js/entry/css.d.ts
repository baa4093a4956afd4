declare module "*.css";
/** The text of a style sheet that travels with what it dresses. */
declare module "*.css?inline" {
  const text: string;
  export default text;
}
