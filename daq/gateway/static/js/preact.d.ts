// htm/preact/standalone has no types of its own; these are Preact's.
export { h, render, Component, createContext } from "preact";
export {
  useState, useReducer, useEffect, useLayoutEffect, useRef, useImperativeHandle, useMemo, useCallback, useContext,
} from "preact/hooks";
export function html(strings: TemplateStringsArray, ...values: any[]): any;
