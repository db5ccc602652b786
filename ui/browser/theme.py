"""How Gradio's own controls look: every colour is one of the variables of static/page.css."""

import gradio as gr


def theme() -> gr.themes.Base:
    """The page's theme, the same names for light and dark."""
    colours = {
        "body_background_fill": "var(--bg)",
        "body_text_color": "var(--ink)",
        "body_text_color_subdued": "var(--ink-3)",
        "background_fill_primary": "var(--panel)",
        "background_fill_secondary": "var(--bg)",
        "border_color_primary": "var(--line)",
        "border_color_accent": "var(--ink)",
        "block_background_fill": "transparent",
        "block_border_color": "transparent",
        "block_border_width": "0px",
        "block_shadow": "none",
        "block_title_text_color": "var(--ink-2)",
        "block_label_text_color": "var(--ink-2)",
        "block_info_text_color": "var(--ink-3)",
        "panel_background_fill": "transparent",
        "panel_border_width": "0px",
        "accordion_text_color": "var(--ink)",
        "input_background_fill": "var(--panel)",
        "input_background_fill_focus": "var(--panel)",
        "input_border_color": "var(--ctl)",
        "input_border_color_hover": "var(--ink)",
        "input_border_color_focus": "var(--ink)",
        "input_border_width": "1px",
        "input_placeholder_color": "var(--ink-3)",
        "input_shadow": "none",
        "input_shadow_focus": "none",
        "slider_color": "var(--ink)",
        "loader_color": "var(--ink)",
        "button_primary_background_fill": "var(--fill)",
        "button_primary_background_fill_hover": "var(--fill-2)",
        "button_primary_border_color": "var(--fill)",
        "button_primary_border_color_hover": "var(--fill-2)",
        "button_primary_text_color": "var(--on-fill)",
        "button_secondary_background_fill": "var(--panel)",
        "button_secondary_background_fill_hover": "var(--panel)",
        "button_secondary_border_color": "var(--ctl)",
        "button_secondary_border_color_hover": "var(--ink)",
        "button_secondary_text_color": "var(--ink)",
        "error_background_fill": "var(--panel)",
        "error_border_color": "var(--note)",
        "error_text_color": "var(--note)",
        "error_icon_color": "var(--note)",
        "link_text_color": "var(--ink)",
    }
    sizes = {
        "block_padding": "0px",
        "block_radius": "8px",
        "block_title_text_size": "13px",
        "block_title_text_weight": "400",
        "block_title_padding": "0px",
        "block_info_text_size": "12px",
        "body_text_size": "14px",
        "layout_gap": "16px",
        "form_gap_width": "16px",
        "input_padding": "7px 11px",
        "input_radius": "8px",
        "input_text_size": "14px",
        "button_border_width": "1px",
        "button_large_padding": "0 14px",
        "button_large_radius": "8px",
        "button_large_text_size": "15px",
        "button_large_text_weight": "600",
        "button_small_padding": "0 14px",
        "button_small_radius": "8px",
        "button_small_text_size": "13px",
        "button_small_text_weight": "400",
    }
    base = gr.themes.Base(font=["Plex Sans", "system-ui"], font_mono=["Plex Mono", "monospace"])
    dark = {f"{name}_dark": value for name, value in colours.items()}
    known = {name: value for name, value in dark.items() if hasattr(base, name)}
    return base.set(**colours, **sizes, **known)
